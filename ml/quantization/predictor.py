"""The quantized model that serving code holds: scikit-learn's face, answered from the artifact.

A method that the artifact's fast predictor has is answered by it, without scikit-learn. Anything
else, and every odd call (other arguments, odd input), is answered by the real estimator, which is
restored from the artifact when it is first needed: so every error and warning is its own.

Like scikit-learn's `FrozenEstimator`, a quantized model is fitted for good: `fit` returns it
unchanged and `clone` returns it itself, so that it can stand in a `Pipeline` or be given to
`cross_val_predict`.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ml.quantization.artifact.reader import Artifact, read_artifact
from ml.quantization.families import Lowered
from ml.quantization.graph import (
    Array,
    DictNode,
    Node,
    ObjectNode,
    PackedNode,
    SequenceNode,
    children,
    entries,
    join,
)
from ml.quantization.limits import Limits
from ml.quantization.loading.trust import TrustPolicy
from ml.quantization.restore import restore
from ml.quantization.selftest import run_self_test
from ml.quantization.surface import PUBLIC_METHODS
from ml.quantization.view import Context, View, view_value

_FLOATS = ("f", "d")


def load(
    source: Path | str | bytes, *, trusted: tuple[str, ...] = (), limits: Limits | None = None
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

    Returns
    -------
    QuantizedModel
        Or, for a model that is a dict, list or tuple, that container with each estimator in it
        quantized.

    Raises
    ------
    ArtifactError
        The file is broken, tampered with or of another format.
    UntrustedTypeError
        It holds a class that is not allowed.
    """
    artifact = read_artifact(source, limits)
    return open_model(artifact, TrustPolicy(frozenset(trusted)))


def open_model(artifact: Artifact, trust: TrustPolicy) -> Any:
    """Return the quantized model of an opened artifact (see `load`)."""
    context = Context.of(artifact.root, artifact)
    return _open(artifact.root, "", artifact, trust, context)


def _open(node: Node, path: str, artifact: Artifact, trust: TrustPolicy, context: Context) -> Any:
    match node:
        case ObjectNode() | PackedNode() if path in artifact.manifest["model"]["surfaces"]:
            return QuantizedModel(artifact, trust, View(node, context, path))
        case SequenceNode(kind=kind) if kind in ("list", "tuple"):
            items = [
                _open(item, join(path, step), artifact, trust, context)
                for step, item in children(node)
            ]
            return items if kind == "list" else tuple(items)
        case DictNode(values=SequenceNode()):
            return {
                view_value(key, context, path): _open(
                    value, join(path, str(key)), artifact, trust, context
                )
                for key, value in entries(node)
            }
        case _:
            return restore(node, artifact, trust, residue=artifact.manifest["residue"])


class QuantizedModel:
    """A fitted model answered from its artifact. Made by `ml.load`.

    Attributes
    ----------
    artifact : Artifact
        What the file says: manifest, evaluation, arrays.
    fast_methods : tuple of str
        Methods that are answered without scikit-learn.

    Every method and fitted attribute of the original is here under its own name.
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
        self._names = _feature_names(view)
        self._lowered = view.lower(exact=bool(artifact.manifest["model"]["exact"]))
        if "_sklearn_output_config" in view:
            self._lowered = None  # answers are frames: only scikit-learn makes those
        for name in self._methods:
            self.__dict__[name] = self._method(name)

    # What it is -------------------------------------------------------------------------

    @property
    def fast_methods(self) -> tuple[str, ...]:
        """Methods that are answered without scikit-learn."""
        known = self._lowered.methods if self._lowered else {}
        return tuple(name for name in self._methods if name in known)

    @property
    def path(self) -> str:
        """Where this model is in the file's model; empty for the model itself."""
        return self._view.path

    def __repr__(self) -> str:
        manifest = self.artifact.manifest
        kind = self._view.type.rpartition(":")[2]
        return f"<QuantizedModel {kind}, {manifest['recipe']['bit_depth']} bit>"

    def restore(self) -> Any:
        """Return a new, real estimator of the original's class.

        Raises
        ------
        EnvironmentMismatch
            The installed scikit-learn cannot take the state.
        """
        residue = self.artifact.manifest["residue"]
        path = self._view.path
        below = {
            key[len(path) :].lstrip("/"): note
            for key, note in residue.items()
            if key.startswith(path)
        }
        return restore(
            self._view.node,
            self.artifact,
            self._trust,
            residue=below,
            identified=self._view.context.identified,
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

    def set_output(self, *, transform: str | None = None) -> QuantizedModel:
        """Choose the container of `transform`; from then on scikit-learn answers."""
        self._original().set_output(transform=transform)
        self._lowered = None
        for name in self._methods:
            self.__dict__[name] = self._method(name)
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The hyper-parameters that the original was made with."""
        params: dict[str, Any] = self._original().get_params(deep=deep)
        return params

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
        if name in self._view:
            value = self._view[name]
            if isinstance(value, np.ndarray | str | int | float | None):
                return value
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
                    self._restored = self.restore()
        return self._restored

    def _method(self, name: str) -> Callable[..., Any]:
        lowered = self._lowered
        fast = lowered.methods.get(name) if lowered else None

        def slow(*args: Any, **kwargs: Any) -> Any:
            return getattr(self._original(), name)(*args, **kwargs)

        if lowered is None or fast is None:
            return slow
        prepare = self._preparation(lowered)

        def answer(X: Any, *args: Any, **kwargs: Any) -> Any:
            if not args and not kwargs:
                rows = prepare(X)
                if rows is not None:
                    result = fast(rows)
                    if result is not None:
                        return result
            return slow(X, *args, **kwargs)

        answer.__name__ = name
        return answer

    def _preparation(self, lowered: Lowered) -> Callable[[Any], Any]:
        """The check that turns input into rows; it gives None for what scikit-learn must treat."""
        if lowered.input == "text":
            return _documents
        width = lowered.n_features
        names = self._names
        kind = self._view.type.rpartition(":")[2].rpartition(".")[2]

        def rows(X: Any) -> Array | None:
            if type(X) is np.ndarray:
                if names is not None:
                    warnings.warn(
                        f"X does not have valid feature names, but {kind} was fitted with "
                        "feature names",
                        UserWarning,
                        stacklevel=3,
                    )
            elif isinstance(X, list):
                X = _from_list(X)
            elif names is not None and hasattr(X, "to_numpy") and hasattr(X, "columns"):
                X = X.to_numpy() if list(X.columns) == names else None
            else:
                return None
            if X is None or X.ndim != 2 or X.shape[1] != width or not len(X):
                return None
            if X.dtype.char in _FLOATS:
                return X if X.dtype.isnative else None
            return X.astype(np.float64) if X.dtype.kind in "iub" else None

        return rows


def _documents(X: Any) -> list[str] | None:
    if isinstance(X, str) or not hasattr(X, "__iter__"):
        return None
    documents = X if isinstance(X, list) else list(X)
    return documents if all(type(text) is str for text in documents) else None


def _from_list(X: list[Any]) -> Array | None:
    try:
        array = np.array(X)
    except ValueError:
        return None  # ragged: scikit-learn has the right words
    return array if array.dtype.kind in "iubf" else None


def _feature_names(view: View) -> list[str] | None:
    names = view.get("feature_names_in_")
    return None if names is None else [str(name) for name in names]


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
