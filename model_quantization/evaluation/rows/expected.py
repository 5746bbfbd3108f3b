"""The rows and targets that a fitted model takes, as a record.

The model is read once, in its process; every reader of the file then uses this record. Only
attributes are read, so that nothing of the model's library is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from model_quantization.records import Record

# number: integers and floats alike; a label of any other kind is not known.
Kind = Literal["text", "number", "boolean"]


@dataclass(frozen=True, slots=True)
class Labels(Record):
    """The values that a model has learned: classes of a target, or categories of a column.

    Attributes
    ----------
    kind : str
        `text`, `number` or `boolean`.
    values : tuple of str, float or bool
        Each once; whole numbers as int.
    """

    kind: Kind
    values: tuple[str | bool | int | float, ...]

    @classmethod
    def of(cls, values: Any) -> Labels | None:
        """The labels in an array or a list; None if they are not of one known kind."""
        items = np.asarray(values, dtype=object).ravel().tolist()
        items = [item.item() if isinstance(item, np.generic) else item for item in items]
        items = [item for item in items if item is not None and item == item]  # noqa: PLR0124  NaN
        kinds: tuple[tuple[Kind, type | tuple[type, ...]], ...] = (
            ("text", str),
            ("boolean", bool),
            ("number", (int, float)),
        )
        for kind, types in kinds:
            if items and all(isinstance(item, types) for item in items):
                return cls(kind, tuple(items))
        return None


@dataclass(frozen=True, slots=True)
class ExpectedRows(Record):
    """The rows and targets that a model takes, as far as known.

    Attributes
    ----------
    task : str
        `classification`, `regression` or another; only these two are scored against a target.
    feature_names : tuple of str or None
        The columns by name, in the model's order.
    wants_text : bool or None
        Whether a row is one text; None when the model does not say.
    numbers_only : bool
        Whether every feature must be a number.
    categories : mapping of str to Labels
        Feature name -> the categories that an encoder of the model learned.
    classes : tuple of (Labels or None)
        One per target column; empty when the model has none or does not say.
    """

    task: str = ""
    feature_names: tuple[str, ...] | None = None
    wants_text: bool | None = None
    numbers_only: bool = False
    categories: Mapping[str, Labels] = field(default_factory=dict)
    classes: tuple[Labels | None, ...] = ()

    @property
    def needs_target(self) -> bool:
        """Whether the model is scored against a target."""
        return self.task in ("classification", "regression")


def ask_model(model: Any, task: str) -> ExpectedRows:
    """Return the rows and targets that a fitted model takes.

    Parameters
    ----------
    model : object
        A fitted estimator.
    task : str
        Its task, as in `graph.methods`.
    """
    names = _get(model, "feature_names_in_")
    feature_names = None if names is None else tuple(str(name) for name in names)
    first = _first_step(model)
    wants_text = True if _reads_text(first) else None
    return ExpectedRows(
        task=task,
        feature_names=feature_names,
        wants_text=wants_text,
        numbers_only=wants_text is None and _takes_numbers_only(first),
        categories=dict(_categories(first, feature_names)),
        classes=_classes(model) if task == "classification" else (),
    )


def _classes(model: Any) -> tuple[Labels | None, ...]:
    classes = _get(model, "classes_")
    if classes is None:
        return ()
    several = isinstance(classes, list) and all(np.ndim(each) == 1 for each in classes)
    return tuple(Labels.of(each) for each in classes) if several else (Labels.of(classes),)


def _first_step(model: Any) -> Any:
    """The innermost part that gets the unchanged rows."""
    for _ in range(100):  # no useful model is nested deeper
        inner = _inner(model)
        if inner is None:
            return model
        model = inner
    return model


def _inner(model: Any) -> Any:
    steps = _get(model, "steps")
    if isinstance(steps, list):
        kept = [step for _, step in steps if step not in (None, "passthrough")]
        return kept[0] if kept else None
    unions = _get(model, "transformer_list")
    if isinstance(unions, list) and unions:
        return unions[0][1]
    for name in ("best_estimator_", "estimator_"):
        if (found := _get(model, name)) is not None:
            return found
    calibrated = _get(model, "calibrated_classifiers_")
    if isinstance(calibrated, list) and calibrated:
        return _get(calibrated[0], "estimator")
    members = _get(model, "estimators_")
    # Members of a forest or of boosting do not get the unchanged rows.
    if isinstance(members, list) and members and _get(model, "named_estimators_") is not None:
        return members[0]
    if isinstance(members, list) and members and _reads_text(_first_step(members[0])):
        return members[0]
    return None


def _reads_text(step: Any) -> bool:
    """Whether a step makes features of texts, as scikit-learn's vectorizers do."""
    return callable(_get(step, "build_analyzer"))


def _takes_numbers_only(step: Any) -> bool:
    """Whether a step of scikit-learn takes neither text nor categories, by its tags.

    A column transformer, a union or a booster with categories has no such tags.
    """
    if not type(step).__module__.startswith("sklearn.") or _get(step, "transformers_") is not None:
        return False
    if _get(step, "is_categorical_") is not None or hasattr(step, "func"):
        return False
    try:
        tags = step.__sklearn_tags__().input_tags
    except (AttributeError, TypeError, ValueError):
        return False
    return bool(tags.two_d_array and not (tags.string or tags.categorical or tags.dict))


def _categories(step: Any, names: tuple[str, ...] | None) -> Iterator[tuple[str, Labels]]:
    """(feature name, categories) of every column that an encoder at the front learned."""
    transformers = _get(step, "transformers_")
    if transformers is not None and names is not None:
        for _, transformer, columns in transformers:
            if isinstance(transformer, str) or transformer is None:
                continue
            yield from _encoded(_first_step(transformer), _column_names(columns, names))
    elif names is not None:
        yield from _encoded(step, names)


def _encoded(encoder: Any, names: tuple[str, ...]) -> Iterator[tuple[str, Labels]]:
    categories = _get(encoder, "categories_")
    if categories is None or len(categories) != len(names):
        return
    for name, known in zip(names, categories, strict=True):
        labels = Labels.of(known)
        if labels is not None:
            yield name, labels


def _column_names(columns: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the columns that a column transformer selects."""
    if isinstance(columns, slice):
        by_name = isinstance(columns.start, str) or isinstance(columns.stop, str)
        return _between(columns, names) if by_name else names[columns]
    if isinstance(columns, str):
        return (columns,)
    chosen = np.atleast_1d(np.asarray(columns))
    if chosen.dtype == bool:
        return tuple(name for name, taken in zip(names, chosen, strict=False) if taken)
    if chosen.dtype.kind in "iu":
        return tuple(names[index] for index in chosen)
    return tuple(str(name) for name in chosen)


def _between(columns: slice, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of a slice by name, which includes its end."""
    first = names.index(columns.start) if columns.start in names else 0
    last = names.index(columns.stop) if columns.stop in names else len(names) - 1
    return names[first : last + 1]


def _get(model: Any, name: str) -> Any:
    # A meta-estimator may raise any error of its inner estimator.
    try:
        return getattr(model, name, None)
    except (ValueError, TypeError, NotImplementedError, KeyError, IndexError, RuntimeError):
        return None
