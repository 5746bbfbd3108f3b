"""The quantized model that serving code holds: scikit-learn's face, answered from the artifact.

A method that the artifact's fast predictor has is answered by it, without scikit-learn. Anything
else, and every odd call (other arguments, odd input), is answered by the real estimator, which is
restored from the artifact when it is first needed: so every error and warning is its own.

Like scikit-learn's `FrozenEstimator`, a quantized model is fitted for good: `fit` returns it
unchanged and `clone` returns it itself, so that it can stand in a `Pipeline` or be given to
`cross_val_predict`.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_quantization.artifact.golden_rows import run_self_test
from model_quantization.artifact.reader import Artifact, read_artifact
from model_quantization.errors import ConfigError, SemanticError
from model_quantization.estimators.restore import restore
from model_quantization.files.signing import PublicKeys
from model_quantization.graph.methods import PUBLIC_METHODS
from model_quantization.graph.nodes import (
    DictNode,
    Node,
    ObjectNode,
    PackedNode,
    RefNode,
    SequenceNode,
    attributes,
    entries,
)
from model_quantization.graph.traversal import children, dict_steps, join, walk
from model_quantization.graph.values import MISFITS, dict_value
from model_quantization.limits import Limits
from model_quantization.predictor.component import Context, View, view_value
from model_quantization.predictor.input_rows import intake_of
from model_quantization.predictor.memory import give_back
from model_quantization.trust import TrustPolicy

_OUTPUT_CONFIG = "_sklearn_output_config"


def load(
    source: Path | str | bytes,
    *,
    trusted: tuple[str, ...] = (),
    limits: Limits | None = None,
    sha256: str = "",
    keys: PublicKeys | None = None,
) -> Any:
    """Open a `.qma` artifact and return the quantized model.

    Parameters
    ----------
    source : path or bytes
        The file, or its bytes.
    trusted : tuple of str
        User classes and functions (`module:qualname`) that the model may hold beside those of
        the allow-list. Only the caller can say this; an artifact never can.
    limits : Limits, optional
        Caps on what is read and decoded.
    sha256 : str, optional
        The only file that will do, as a release pins it.
    keys : PublicKeys, optional
        Whose signature counts (`model_quantization.files.signing.read_public_keys`).

    Returns
    -------
    QuantizedModel
        Or, for a model that is a dict, list or tuple, that container with each estimator in it
        quantized.

    Raises
    ------
    ArtifactError
        The file is broken, tampered with or of another format; `SignatureError` when `keys` do
        not accept it.
    UntrustedTypeError
        It holds a class that is not allowed.
    """
    artifact = read_artifact(source, limits, sha256=sha256, keys=keys)
    return open_model(artifact, TrustPolicy(frozenset(trusted)))


def open_model(artifact: Artifact, trust: TrustPolicy) -> Any:
    """Return the quantized model of an opened artifact (see `load`)."""
    model = _Opening(artifact, trust, Context.of(artifact.root, artifact)).open(artifact.root, "")
    # A predictor holds what it needs; the rest is decoded again when asked for.
    give_back(artifact.release())
    return model


@dataclass(frozen=True, slots=True)
class _Opening:
    """One artifact being opened; what it refers to more than once is opened once."""

    artifact: Artifact
    trust: TrustPolicy
    context: Context
    opened: dict[int, Any] = field(default_factory=dict)

    def open(self, node: Node, path: str) -> Any:
        if isinstance(node, RefNode):
            if node.target not in self.opened:
                self.open(self.context.identified[node.target], path)
            return self.opened[node.target]
        made = self._made(node, path)
        identity = getattr(node, "id", None)
        if identity is not None:
            self.opened[identity] = made
        return made

    def _made(self, node: Node, path: str) -> Any:
        match node:
            case ObjectNode() | PackedNode() if path in self.artifact.manifest["model"]["surfaces"]:
                return QuantizedModel(self.artifact, self.trust, View(node, self.context, path))
            case SequenceNode(kind=kind) if kind in ("list", "tuple"):
                items = [self.open(item, join(path, step)) for step, item in children(node)]
                return items if kind == "list" else tuple(items)
            case DictNode(values=SequenceNode()):
                pairs = list(entries(node))
                keys = [self._key(key, path) for key, _ in pairs]
                steps = zip(dict_steps(node), pairs, strict=True)
                held = [self.open(value, join(path, step)) for step, (_, value) in steps]
                return dict_value(keys, held, path)
            case _:
                return self._restored(node, path)

    def _key(self, node: Node, path: str) -> Any:
        """The key of a dict: a plain value, or an object such as a date."""
        if isinstance(node, ObjectNode | PackedNode | RefNode):
            return self._restored(node, path)
        return view_value(node, self.context, path)

    def _restored(self, node: Node, path: str) -> Any:
        return restore(
            node,
            self.artifact,
            self.trust,
            residue=_below(self.artifact.manifest["residue"], path),
            identified=self.context.identified,
        )


def _below(notes: Mapping[str, str], path: str) -> dict[str, str]:
    """Notes on what is at or below `path`, by where it is below it."""
    if not path:
        return dict(notes)
    start = f"{path}/"
    return {key[len(start) :]: note for key, note in notes.items() if key.startswith(start)}


class QuantizedModel:
    """A fitted model answered from its artifact. Made by `mq.load`.

    Attributes
    ----------
    artifact : Artifact
        What the file says: manifest, evaluation, arrays.
    fast_methods : tuple of str
        Methods that are answered without scikit-learn.

    Every method and fitted attribute of the original is here under its own name. Methods that
    answer rows or documents also take `n_jobs`: into how many threads a large batch is divided,
    counted as joblib counts; forests and models behind text use it, the others do not need it.
    """

    def __init__(self, artifact: Artifact, trust: TrustPolicy, view: View) -> None:
        self.artifact = artifact
        self._trust = trust
        self._view = view
        self._lock = threading.Lock()
        self._restored: Any = None
        surface = artifact.manifest["model"]["surfaces"][view.path]
        self._methods: tuple[str, ...] = tuple(surface["methods"])
        self._properties: Mapping[str, Any] = surface.get("properties", {})
        self._lowered = view.lower(exact=bool(artifact.manifest["model"]["exact"]))
        # Whether `transform` answers frames: only scikit-learn makes those.
        self._framed = any(
            _OUTPUT_CONFIG in attributes(node)
            for _, node in walk(view.node)
            if isinstance(node, ObjectNode | PackedNode)
        )
        self._set_methods()

    # What it is -------------------------------------------------------------------------

    @property
    def fast_methods(self) -> tuple[str, ...]:
        """Methods that are answered without scikit-learn."""
        known = self._lowered.methods if self._lowered else {}
        hidden = ("transform",) if self._framed else ()
        return tuple(name for name in self._methods if name in known and name not in hidden)

    @property
    def path(self) -> str:
        """Where this model is in the file's model; empty for the model itself."""
        return self._view.path

    def __repr__(self) -> str:
        manifest = self.artifact.manifest
        kind = self._view.type.rpartition(":")[2]
        depth = str(manifest["recipe"]["bit_depth"])
        return f"<QuantizedModel {kind}, {depth}{' bit' if depth.isdigit() else ''}>"

    def restore(self) -> Any:
        """Return a new estimator of the original's own class.

        It can be saved and loaded where this library is not installed. What was dropped as training
        residue is not there; this quantized model says in a named error what it was.

        Raises
        ------
        EnvironmentMismatch
            The installed scikit-learn cannot take the state.
        """
        return self._make_original(reporting=False)

    def _make_original(self, *, reporting: bool) -> Any:
        return restore(
            self._view.node,
            self.artifact,
            self._trust,
            residue=_below(self.artifact.manifest["residue"], self.path),
            identified=self._view.context.identified,
            reporting=reporting,
        )

    def self_test(self) -> bool:
        """Answer the golden rows that the artifact carries.

        Returns
        -------
        bool
            False when the artifact carries none.

        Raises
        ------
        PredictionError
            An answer differs from the one recorded when the artifact was made.
        """
        return run_self_test(self, self.artifact.manifest["golden"])

    # scikit-learn's protocol -------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, **params: Any) -> QuantizedModel:
        """Return this model: it is fitted for good."""
        return self

    def set_params(self, **params: Any) -> QuantizedModel:
        """Return this model; it has no parameter that can be set.

        Raises
        ------
        ConfigError
            Any parameter was given.
        """
        if params:
            raise ConfigError(
                "a quantized model is fitted for good",
                where=repr(self),
                got=", ".join(params),
                do="set parameters of the original, fit that, and quantize it again",
            )
        return self

    def __sklearn_clone__(self) -> QuantizedModel:
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        return self._original().__sklearn_tags__()

    def __getattr__(self, name: str) -> Any:
        # Only names that are not set above arrive here.
        if name.startswith("__") or name in PUBLIC_METHODS or "_view" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if name in self._properties:
            return self._properties[name]
        if self._view.is_plain(name):
            return self._view[name]
        return getattr(self._original(), name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._view})

    # It crosses processes as its artifact's bytes ----------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        return (_reopen, (self.artifact.data, tuple(sorted(self._trust.extra)), self._view.path))

    def __deepcopy__(self, memo: dict[int, Any]) -> QuantizedModel:
        return self

    # Answering ----------------------------------------------------------------------------

    def _original(self) -> Any:
        """The restored estimator, made once."""
        if self._restored is None:
            with self._lock:
                if self._restored is None:
                    self._restored = self._make_original(reporting=True)
        return self._restored

    def _set_methods(self) -> None:
        for name in self._methods:
            self.__dict__[name] = self._method(name)
        if "set_output" in self._methods:
            self.__dict__["set_output"] = self._set_output

    def _misfit(self, name: str, error: Exception) -> SemanticError:
        """A fast predictor raises nothing over rows: its own numbers contradict each other."""
        return SemanticError(
            f"{name} cannot be answered: stored values do not fit each other",
            where=self._view.path or "model",
            got=f"{type(error).__name__}: {error}"[:200],
            do="quantize the original again",
        )

    def _set_output(self, *, transform: str | None = None) -> QuantizedModel:
        """Choose the container of `transform`; from then on scikit-learn answers that."""
        self._original().set_output(transform=transform)
        self._framed = self._framed or transform is not None
        self._set_methods()
        return self

    def _method(self, name: str) -> Callable[..., Any]:
        def slow(*args: Any, **kwargs: Any) -> Any:
            return getattr(self._original(), name)(*args, **kwargs)

        slow.__name__ = name
        lowered = self._lowered
        if lowered is None or name not in self.fast_methods:
            return slow
        fast = lowered.methods[name]
        intake = intake_of(self._view, lowered)
        frames = _frames_are_configured if name == "transform" else None

        def answer(X: Any, *args: Any, n_jobs: int | None = None, **kwargs: Any) -> Any:
            if not args and not kwargs and not (frames and frames()):
                rows = intake.rows(X)
                if rows is not None:
                    try:
                        result = fast(rows) if n_jobs is None else _in_threads(fast, rows, n_jobs)
                    except MISFITS as error:
                        raise self._misfit(name, error) from error
                    if result is not None:
                        intake.warn_unnamed(X)
                        return result
            return slow(X, *args, **kwargs)

        answer.__name__ = name
        return answer


def _in_threads(fast: Callable[..., Any], rows: Any, n_jobs: int) -> Any:
    """The answer of a fast predictor, in several threads where it knows how to use them."""
    takes = "n_jobs" in inspect.signature(fast).parameters
    return fast(rows, n_jobs=n_jobs) if takes else fast(rows)


def _frames_are_configured() -> bool:
    """Whether `sklearn.set_config` asks every `transform` for frames."""
    sklearn = sys.modules.get("sklearn")
    return sklearn is not None and sklearn.get_config()["transform_output"] != "default"


def _reopen(data: bytes, trusted: tuple[str, ...], path: str) -> Any:
    return model_at(load(data, trusted=trusted), path)


def model_at(loaded: Any, path: str) -> QuantizedModel:
    """The quantized model at `path` in what `load` returned.

    Raises
    ------
    KeyError
        There is none.
    """
    for model in iter_models(loaded):
        if model.path == path:
            return model
    raise KeyError(path)


def iter_models(loaded: Any) -> Iterator[QuantizedModel]:
    """The quantized models in what `load` returned, in order."""
    if isinstance(loaded, QuantizedModel):
        yield loaded
    elif isinstance(loaded, dict):
        for value in loaded.values():
            yield from iter_models(value)
    elif isinstance(loaded, list | tuple):
        for value in loaded:
            yield from iter_models(value)
