"""The quantized model that serving code holds: scikit-learn's methods, answered from the artifact.

A method that the artifact's fast predictor has is answered by it, without scikit-learn. Anything
else, and every odd call (other arguments, odd input), is answered by the real estimator, which is
restored from the artifact when it is first needed: so every error and warning is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from model_quantization.artifact.reader import Artifact, read_artifact
from model_quantization.displayed import html_table
from model_quantization.errors import FormatError
from model_quantization.families import Lowered, family_named
from model_quantization.graph.methods import PUBLIC_METHODS
from model_quantization.graph.nodes import (
    DictNode,
    Node,
    ObjectNode,
    PackedNode,
    SequenceNode,
    attributes,
)
from model_quantization.graph.traversal import walk
from model_quantization.locks import ForkSafeLock
from model_quantization.predictor.answering import attributes_of_class, fast_method, restored_method
from model_quantization.predictor.component import ComponentView, Context
from model_quantization.predictor.fitted_for_good import FittedForGood
from model_quantization.predictor.input_rows import input_adapter
from model_quantization.predictor.memory import give_back
from model_quantization.predictor.parts import Indexed, Iterated, Part, Sized
from model_quantization.predictor.restored import (
    check_after_upgrade,
    report_missing,
    restore_component,
    saved_by,
)
from model_quantization.trust import TrustPolicy

if TYPE_CHECKING:
    from model_quantization.predictor.explanation import Explanation

_OUTPUT_CONFIG = "_sklearn_output_config"


def _gives_frames(state: Mapping[str, Node]) -> bool:
    """Whether `set_output` asked for something else than what the class gives by default."""
    config = state.get(_OUTPUT_CONFIG)
    if config is None:
        return False
    values = config.values if isinstance(config, DictNode) else None
    return not isinstance(values, SequenceNode) or any(
        item not in ("default", None) for item in values.items
    )


class QuantizedModel(FittedForGood):
    """A fitted model answered from its artifact. Made by `mq.load`.

    Attributes
    ----------
    artifact : Artifact
        The opened file: manifest, evaluation, arrays.
    fast_methods : tuple of str
        Methods that are answered without scikit-learn.

    Notes
    -----
    Every method and fitted attribute of the original is here under its own name. Methods that
    answer rows or documents also take `n_jobs`: into how many threads a large batch is divided,
    counted as joblib counts; forests and models behind text use it, the others do not need it.
    In a notebook a model displays itself as a table.

    Examples
    --------
    >>> import model_quantization as mq
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> rows, labels = load_digits(return_X_y=True)
    >>> model = RandomForestClassifier(20, random_state=0).fit(rows[:900], labels[:900])
    >>> quantized, _ = mq.ModelQuantizer(bit_depth=16).quantize_model(model)
    >>> quantized.fast_methods
    ('predict', 'predict_proba', 'predict_log_proba', 'apply')
    >>> type(quantized.restore(as_scikit_learn=True)).__name__
    'RandomForestClassifier'
    """

    def __init__(
        self,
        artifact: Artifact,
        trust: TrustPolicy,
        view: ComponentView,
        origin: tuple[QuantizedModel, slice] | None = None,
    ) -> None:
        self.artifact = artifact
        self._trust = trust
        self._view = view
        self._origin = origin
        self._lock = ForkSafeLock()
        self._restored: Any = None
        self._parts: dict[str, QuantizedModel] = {}
        found = view.lower(exact=self._is_exact)
        self._lowered = found if isinstance(found, Lowered) else None
        # Only the estimator makes the frames that a configured `transform` answers.
        self._framed = any(
            _gives_frames(attributes(node))
            for _, node in walk(view.node)
            if isinstance(node, ObjectNode | PackedNode)
        )
        # Methods whose fast answers were found to differ when the artifact was made.
        surfaces = artifact.manifest["model"]["surfaces"]
        self._differing: Mapping[str, str] = surfaces.get(view.path, {}).get("restored", {})
        self._methods, self._properties = self._surface()
        self._set_methods()

    def _surface(self) -> tuple[tuple[str, ...], Mapping[str, Any]]:
        """The public methods, and the properties that were computed from dropped attributes."""
        surface = self.artifact.manifest["model"]["surfaces"][self._view.path]
        return tuple(surface["methods"]), surface.get("properties", {})

    # Description ------------------------------------------------------------------------

    @property
    def fast_methods(self) -> tuple[str, ...]:
        """Methods that are answered without scikit-learn."""
        known = self._lowered.methods if self._lowered else {}
        hidden = {*self._differing, *(("transform",) if self._framed else ())}
        return tuple(name for name in self._methods if name in known and name not in hidden)

    @property
    def path(self) -> str:
        """Where this model is in the file's model; empty for the model itself."""
        return self._view.path

    @property
    def _is_exact(self) -> bool:
        return bool(self.artifact.manifest["model"]["exact"])

    def _name(self) -> str:
        kind = self._view.type.rpartition(":")[2]
        depth = str(self.artifact.manifest["recipe"]["bit_depth"])
        return f"{kind}, {depth}{' bits' if depth.isdigit() else ''}"

    def __repr__(self) -> str:
        from model_quantization.report.table import human_bytes

        size = human_bytes(len(self.artifact.data))
        fast = ", ".join(self.fast_methods) or "nothing"
        return f"<QuantizedModel {self._name()}, {size}, {self._guarantee()}; fast: {fast}>"

    def _repr_html_(self) -> str:
        # Of the artifact alone: the estimator's own picture would need scikit-learn, and a restore.
        from model_quantization.report.table import human_bytes

        size = human_bytes(len(self.artifact.data))
        restored = [name for name in self._methods if name not in self.fast_methods]
        rows = [
            ("class", self._view.type.replace(":", ".")),
            ("file", f"{size}, {self._guarantee()}"),
            ("answered fast", ", ".join(self.fast_methods) or "nothing"),
            ("answered by the restored estimator", ", ".join(restored) or "nothing"),
        ]
        return html_table(rows, caption=f"{self._name()}{self.path and f' at {self.path}'}")

    def _guarantee(self) -> str:
        """The proof that the file itself carries, in a few words."""
        evaluation = self.artifact.manifest["evaluation"]
        rounded = "rounds nothing" if self._is_exact else "rounded"
        if evaluation is None:
            return f"{rounded}, not evaluated"
        return f"{rounded}, evaluated on {evaluation['rows']:,} rows"

    def explain(self) -> Explanation:
        """Return which predictor answers each method, and why the others are not fast.

        Returns
        -------
        Explanation
            Prints as a table; `to_json()` gives plain values.

        Examples
        --------
        >>> import model_quantization as mq
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> model = LogisticRegression(max_iter=500).fit(*load_iris(return_X_y=True))
        >>> quantized, _ = mq.ModelQuantizer(bit_depth=16).quantize_model(model)
        >>> print(quantized.explain())  # doctest: +ELLIPSIS
        LogisticRegression
        method ...
        """
        from model_quantization.predictor.explaining import explain_model

        return explain_model(
            self._view,
            self._lowered,
            self._methods,
            self.fast_methods,
            exact=self._is_exact,
            differing=self._differing,
        )

    def save(self, path: Path | str) -> Path:
        """Write the artifact to a file, whole or not at all, and return its path.

        Parameters
        ----------
        path : path
            The file, `.qma` by custom; its directory is made.

        Raises
        ------
        ReleaseError
            The disk is full, or the directory cannot be written.

        Notes
        -----
        The file holds these bytes, `artifact.data`: for one of several models in a container, the
        whole container.
        """
        from model_quantization.files.atomic import write_atomically

        target = Path(path)
        write_atomically(target, bytes(self.artifact.data))
        return target

    def restore(self, *, as_scikit_learn: bool = False) -> Any:
        """Return a new, real estimator of the original's class.

        Parameters
        ----------
        as_scikit_learn : bool
            Return exactly the original's class, which can be saved and loaded where this library
            is not installed. Attributes that were dropped are then missing. By default a subclass
            gives the values that were computed before (`feature_importances_`) and names in its
            error whatever was dropped.

        Raises
        ------
        EnvironmentMismatch
            The installed scikit-learn cannot take the state, or its class cannot say what the
            version that saved the model meant; this model itself answers as that version did.
        """
        made = self._checked(self._made(as_scikit_learn=True, own_class=as_scikit_learn))
        if not as_scikit_learn:
            report_missing(made, self._methods, self.artifact)
        return made

    def restored_estimator(self) -> Any:
        """Return the estimator that answers whatever no fast predictor does, made once.

        Other than that of `restore` it may be of a class of this library, for a model that the
        installed scikit-learn has no estimator for any more.
        """
        return self._original()

    def _made(self, *, as_scikit_learn: bool = False, own_class: bool = False) -> Any:
        """The estimator that answers what no fast predictor does."""
        with np.errstate(all="ignore"):  # the caller's error state is for its rows, not for this
            return restore_component(
                self.artifact,
                self._trust,
                self._view.node,
                self._view.context,
                self.path,
                as_scikit_learn=as_scikit_learn,
                own_class=own_class,
            )

    def self_test(self) -> bool:
        """Answer the golden rows that the artifact carries, by every method that answered them.

        Returns
        -------
        bool
            False when the artifact carries none.

        Raises
        ------
        PredictionError
            An answer differs from the one recorded when the artifact was made.
        """
        from model_quantization.predictor.golden_rows import run_self_test

        return run_self_test(self, self.artifact.manifest["golden"])

    def quick_self_test(self) -> bool:
        """As `self_test`, by the fast methods only.

        What the restored estimator answers is asked when it is first made, if the installed
        libraries are not those that made the artifact.
        """
        from model_quantization.predictor.golden_rows import run_self_test

        return run_self_test(self, self.artifact.manifest["golden"], self.fast_methods)

    def _checked(self, estimator: Any) -> Any:
        """The restored estimator, once it has answered the golden rows after an upgrade."""
        if not self.path:
            restored = [name for name in self._methods if name not in self.fast_methods]
            check_after_upgrade(self.artifact, estimator, restored)
        return estimator

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
        # A packed component has parts of its own beside fitted attributes.
        packed = isinstance(self._view.node, PackedNode)
        stored = (name for name in self._view if not packed or name.endswith("_"))
        found = {*super().__dir__(), *stored, *self._properties}
        return sorted(found | attributes_of_class(self._view.type))

    # It crosses processes as its artifact's bytes ----------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        return (reopen, (self.artifact.data, tuple(sorted(self._trust.extra)), self._view.path))

    def __deepcopy__(self, memo: dict[int, Any]) -> QuantizedModel:
        return self

    # Answering ----------------------------------------------------------------------------

    def _original(self) -> Any:
        """The restored estimator, made once."""
        if self._restored is None:
            with self._lock:
                if self._restored is None:
                    self._restored = self._checked(self._made())
        return self._restored

    def _part_of(self, view: ComponentView) -> QuantizedModel:
        with self._lock:
            if view.path not in self._parts:
                part = view.alone()
                self._parts[view.path] = quantized_model(self.artifact, self._trust, part)
        return self._parts[view.path]

    def _shorter(self, view: ComponentView, key: slice) -> QuantizedModel:
        return _class_for(view, is_part=True)(self.artifact, self._trust, view, (self, key))

    def _set_methods(self) -> None:
        for name in self._methods:
            self.__dict__[name] = self._method(name)
        if "set_output" in self._methods:
            self.__dict__["set_output"] = self._set_output

    def _set_output(self, *, transform: str | None = None) -> QuantizedModel:
        """Choose the container of `transform`; from then on scikit-learn answers that."""
        self._original().set_output(transform=transform)
        self._framed = self._framed or transform is not None
        self._set_methods()
        return self

    def _method(self, name: str) -> Callable[..., Any]:
        kind = self._view.type
        restored = restored_method(kind, name, self._original, saved_by(self.artifact))
        if self._lowered is None or name not in self.fast_methods:
            return restored
        adapter = input_adapter(self._view, self._lowered)
        argument = family_named(self._view.family).argument.get(kind, "X")
        fast = self._lowered.methods[name]
        return fast_method(kind, name, fast, adapter, restored, argument, self.path)


class _IndexedModel(QuantizedModel, Indexed):
    pass


class _SizedModel(QuantizedModel, Sized):
    pass


class _IteratedModel(QuantizedModel, Iterated):
    pass


class _Part(Part, QuantizedModel):
    pass


class _IndexedPart(Part, _IndexedModel):
    pass


class _SizedPart(Part, _SizedModel):
    pass


class _IteratedPart(Part, _IteratedModel):
    pass


_CLASSES: dict[str | None, tuple[type[QuantizedModel], type[QuantizedModel]]] = {
    None: (QuantizedModel, _Part),
    "name": (_IndexedModel, _IndexedPart),
    "step": (_SizedModel, _SizedPart),
    "number": (_IteratedModel, _IteratedPart),
}


def _class_for(view: ComponentView, *, is_part: bool) -> type[QuantizedModel]:
    parts = family_named(view.family).parts.get(view.type)
    return _CLASSES[parts.by if parts is not None else None][is_part]


def quantized_model(artifact: Artifact, trust: TrustPolicy, view: ComponentView) -> QuantizedModel:
    """The quantized model of one component, with the Python protocols of the original's class."""
    is_part = view.path not in artifact.manifest["model"]["surfaces"]
    return _class_for(view, is_part=is_part)(artifact, trust, view)


def reopen(data: bytes, trusted: tuple[str, ...], path: str) -> QuantizedModel:
    """The quantized model at `path` of an artifact: a pickled model is made of it again."""
    artifact = read_artifact(data)
    context = Context.of(artifact.root, artifact)
    for where, node in walk(artifact.root):
        if where == path and isinstance(node, ObjectNode | PackedNode):
            view = ComponentView(node, context, path)
            model = quantized_model(artifact, TrustPolicy(frozenset(trusted)), view)
            give_back(artifact.release())
            return model
    raise FormatError("no component at this path", where=path, do="pickle the model again")
