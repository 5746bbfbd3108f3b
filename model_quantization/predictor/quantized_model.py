"""The quantized model: scikit-learn's methods, answered from an artifact.

The artifact's fast predictor answers its methods without scikit-learn. The restored estimator
answers other methods, other arguments and unusual input, so that every error and warning is
scikit-learn's. It is made from the artifact when it is first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from model_quantization.artifact.reader import Artifact
from model_quantization.errors import FittedModel
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
from model_quantization.predictor.component import ComponentView
from model_quantization.predictor.displaying import model_title, notebook_table, one_line
from model_quantization.predictor.fitted_for_good import FittedForGood
from model_quantization.predictor.input_rows import input_adapter
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
    """Whether `set_output` asked for another container than the class's default."""
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
    answer rows or documents also take `n_jobs`: the number of threads for a large batch, counted as
    joblib counts. Forests and models of text use it; others do not need it. In a notebook a model
    displays itself as a table.

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
        found = view.lower(exact=self._is_exact)
        self._lowered = found if isinstance(found, Lowered) else None
        # Only the estimator makes the frames that a configured `transform` returns.
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
        """Path of this model inside the file's model; empty for the model itself."""
        return self._view.path

    @property
    def _is_exact(self) -> bool:
        return bool(self.artifact.manifest["model"]["exact"])

    def _name(self) -> str:
        return model_title(self._view.type, self.artifact)

    def __repr__(self) -> str:
        return one_line(self._name(), self.artifact, self.fast_methods)

    def _repr_html_(self) -> str:
        # From the artifact alone: the estimator's own picture would need scikit-learn, and a
        # restore.
        return notebook_table(self._view, self.artifact, self._methods, self.fast_methods)

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
        The file gets the bytes of `artifact.data`: for one model of a container, the whole
        container.
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
            has the values that were computed before (`feature_importances_`), and an error that
            names each dropped attribute.

        Raises
        ------
        EnvironmentMismatch
            The installed scikit-learn cannot take the state, or its class cannot answer as the
            version that saved the model; this quantized model answers as that version did.
        """
        made = self._checked(self._made(as_scikit_learn=True, own_class=as_scikit_learn))
        if not as_scikit_learn:
            report_missing(made, self._methods, self.artifact)
        return made

    def restored_estimator(self) -> Any:
        """Return the restored estimator that answers what no fast predictor does, made once.

        Unlike that of `restore`, its class may be one of this library, for a model whose meaning
        the installed scikit-learn no longer has.
        """
        return self._original()

    def _made(self, *, as_scikit_learn: bool = False, own_class: bool = False) -> Any:
        """The estimator that answers what no fast predictor does."""
        with np.errstate(all="ignore"):  # the caller's error state is for its rows
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

        The restored estimator answers its golden rows when it is made, if the installed libraries
        are not those that made the artifact.
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
        # A notebook asks for pictures; the restored estimator's would need scikit-learn.
        hidden = name.startswith(("__", "_repr_", "_ipython_"))
        if hidden or name in PUBLIC_METHODS or "_view" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if name in self._properties:
            return self._properties[name]
        if self._view.is_plain(name):
            return self._view[name]
        return getattr(self._original(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        # Answers come from the artifact: they would not change, and nothing would say so.
        if "_methods" in self.__dict__ and not name.startswith("_"):
            raise FittedModel(
                f"`{name}` cannot be set: a quantized model is fitted for good",
                where=f"<QuantizedModel {self._name()}>",
                do="change the original and quantize it again, or change what `restore()` returns",
            )
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        # A packed component has parts of its own beside fitted attributes.
        packed = isinstance(self._view.node, PackedNode)
        stored = (name for name in self._view if not packed or name.endswith("_"))
        found = {*super().__dir__(), *stored, *self._properties}
        return sorted(found | attributes_of_class(self._view.type))

    # Pickling: as its artifact's bytes ----------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        # That module imports this one: it has the classes made of this one.
        from model_quantization.predictor.model_classes import reopen

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
