"""A component's fast predictor, or the reason why it has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NoReturn, TypeAlias

from model_quantization.arrays import Array
from model_quantization.families.forms import Form
from model_quantization.values import Value

Method: TypeAlias = Callable[..., Any]
Input: TypeAlias = Literal["rows", "text", "table", "cells", "mappings"]
Integers: TypeAlias = Literal["float64", "float32", "kept", "each"]
Takes: TypeAlias = Literal["numbers", "plain", "floats", "arrays"]
Deciding: TypeAlias = Literal["decision_function", "predict_proba"]


class NotFast(Value, frozen=True):
    """Why a component has no fast predictor: the restored estimator answers.

    Attributes
    ----------
    reason : str
        A clause with a subject of its own, as `the weights are a sparse matrix`.
    where : str or None
        Path of the component that is the reason; None is the component that was asked.
    """

    reason: str
    where: str | None = None


_NONE_LEFT: Final[Mapping[str, str]] = MappingProxyType({})


class WithOptions:
    """A method that takes options of the original's by keyword: `predict(rows, return_std=True)`.

    Parameters
    ----------
    call : callable
        Function of the prepared rows, and of the options.
    options : frozenset of str
        Their names.
    """

    __slots__ = ("_call", "options")

    def __init__(self, call: Method, options: frozenset[str]) -> None:
        self._call = call
        self.options = options

    def __call__(self, rows: Any, **options: Any) -> Any:
        """Return the answer, or None where the restored estimator is to answer."""
        return self._call(rows, **options)


def options_of(method: Method) -> frozenset[str]:
    """Return the options that a method of a fast predictor takes."""
    return method.options if isinstance(method, WithOptions) else frozenset()


class Lowered:
    """A fast predictor: for each method, the function that answers it.

    Parameters
    ----------
    methods : mapping of str to callable
        Public method name -> function of the prepared rows. A function may return None: the
        restored estimator then answers instead (odd input that the fast path does not treat,
        so that every error and warning is scikit-learn's own). `WithOptions` takes options.
    by : str
        How it answers, in a few words, as `explain()` shows it: `mean of the trees' leaves`.
    names : tuple of str
        Path of every component that this predictor answers for (fused ones included).
    input : {"rows", "text", "table", "cells", "mappings"}
        `rows`: a float32 or float64 ndarray of shape (n, n_features), any strides, finite or
        not (a method that must refuse NaN returns None for it). `text`: a list of str.
        `table`: a pandas DataFrame as it was given. `cells`: an ndarray of shape (n, n_features)
        of any type. `mappings`: a list of dicts.
    n_features : int or None
        Columns of `rows`.
    n_columns : int or None
        Columns of what `transform` gives, where that is known.
    form : Form or None
        How the component looks to the step after it.
    absorb : callable or None
        Given the `Lowered` of the step before this one, the fused predictor of both, or None.
    integers : {"float64", "float32", "kept", "each"}
        The type that arrays of integers are given. `float32` is for the libraries of boosted
        trees, to which frames of integers are float64. `kept`: the predictor takes them as they
        are, because the order in memory of a conversion shows in the last bits of a product.
        `each`: it holds predictors that want different types, and converts for each.
    takes : {"numbers", "plain", "floats", "arrays"}
        Columns of a frame that it takes. `numbers`: all that scikit-learn converts to numbers
        (booleans, nullable and Arrow columns, objects that are numbers). `plain`: numpy's numbers
        only. `floats`: numpy's floats only, also as an array. `arrays`: arrays of floats, and
        neither frames nor lists.
    classes : ndarray or None
        The labels of a classifier with one target.
    decides_by : {"decision_function", "predict_proba"}
        The method whose scores decide, as scikit-learn chooses it: `predict_proba` for
        classifiers that have no `decision_function`, whether or not it is answered fast.
    sparse_as_dense : bool
        Whether a sparse matrix gets the answers, to the last bit, of the same rows as an array.
    inverse : callable or None
        The inverse of `transform`, for as many columns; for the transformer of a target.
    left : mapping of str to str
        Methods that are left to the restored estimator, with a reason of their own.

    Notes
    -----
    Not a dataclass, and never changed: `dataclasses.replace` would keep fields that are true of a
    child and false of its parent. A parent makes a new one and sets every field.
    """

    __slots__ = (
        "absorb",
        "by",
        "classes",
        "decides_by",
        "form",
        "input",
        "integers",
        "inverse",
        "left",
        "methods",
        "n_columns",
        "n_features",
        "names",
        "sparse_as_dense",
        "takes",
    )

    methods: Mapping[str, Method]
    by: str
    names: tuple[str, ...]
    input: Input
    n_features: int | None
    n_columns: int | None
    form: Form | None
    absorb: Callable[[Lowered], Lowered | None] | None
    integers: Integers
    takes: Takes
    classes: Array | None
    decides_by: Deciding
    sparse_as_dense: bool
    inverse: Method | None
    left: Mapping[str, str]

    def __init__(
        self,
        methods: Mapping[str, Method],
        *,
        by: str,
        names: tuple[str, ...],
        input: Input = "rows",
        n_features: int | None = None,
        n_columns: int | None = None,
        form: Form | None = None,
        absorb: Callable[[Lowered], Lowered | None] | None = None,
        integers: Integers = "float64",
        takes: Takes = "numbers",
        classes: Array | None = None,
        decides_by: Deciding = "decision_function",
        sparse_as_dense: bool = False,
        inverse: Method | None = None,
        left: Mapping[str, str] = _NONE_LEFT,
    ) -> None:
        values = locals()
        for name in self.__slots__:
            object.__setattr__(self, name, values[name])

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a fast predictor is not changed: make a new one to set {name!r}")

    def __repr__(self) -> str:
        return f"Lowered({', '.join(self.methods)}: {self.by})"

    @property
    def deciding_method(self) -> Deciding | None:
        """The method whose scores decide for a classifier; None where it is not answered."""
        return self.decides_by if self.decides_by in self.methods else None


def behind_text(
    previous: Lowered,
    methods: Mapping[str, Method],
    *,
    by: str,
    names: tuple[str, ...],
    n_columns: int | None = None,
    classes: Array | None = None,
    decides_by: Deciding = "decision_function",
) -> Lowered:
    """Return the predictor of a text step and the component after it, from documents to answers.

    Parameters
    ----------
    previous : Lowered
        The text step; the predictor takes the same input.
    methods : mapping of str to callable
        Public method name -> function of the documents.
    by : str
        How the component answers, in a few words.
    names : tuple of str
        Paths of the components after the text step.
    n_columns, classes, decides_by
        As in `Lowered`.
    """
    return Lowered(
        methods,
        by=f"{previous.by}, straight to {by}",
        names=previous.names + names,
        input=previous.input,
        n_features=previous.n_features,
        n_columns=n_columns,
        integers=previous.integers,
        takes=previous.takes,
        classes=classes,
        decides_by=decides_by,
    )
