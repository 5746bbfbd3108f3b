"""Inputs at which a model is likely to change its answer, collected from its own state.

A family may give them itself (`Family.probe`). For any other component the generic rule holds: an
array with one number per input column gives values of the columns, an array of such rows gives
rows, trees give their thresholds, encoders their categories, vectorizers their terms. Components
inside it that read the same input count as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families import family_of
from model_quantization.families.family import Component
from model_quantization.families.probing import ProbeValues, merged
from model_quantization.graph.nodes import ArrayNode, RecordArrayNode
from model_quantization.predictor.component import ComponentView

MOST_PER_COLUMN = 64
MOST_ROWS = 32
MOST_TERMS = 400
MOST_PARTS = 12  # an even sample of many equal parts (trees, folds) is enough
_LINE = "X_thresholds_"  # of an isotonic regression, which takes one column
_TREE_FIELDS = (("feature", "threshold"), ("feature_idx", "num_threshold"))


def probe_values(component: Component) -> ProbeValues:
    """Return the inputs to test a component with, from its family if it gives them."""
    family = family_of(component.type)
    if family.probe is not None:
        found = family.probe(component, probe_values)
        if found is not None:
            return found
    return generic_values(component)


def generic_values(component: Component) -> ProbeValues:
    """Return the values that the state of any component suggests, by the module's rule."""
    if not isinstance(component, ComponentView):
        return ProbeValues()
    width = n_features(component)
    own: list[ProbeValues] = []
    children: list[ComponentView] = []
    for name in component:
        value = _value(component, name)
        if name == "categories_" and isinstance(value, list | tuple):
            own.append(ProbeValues(categories=_categories(value)))
        elif name == _LINE and isinstance(value, np.ndarray):
            own.append(ProbeValues({0: np.asarray(_sample(value, MOST_PER_COLUMN), np.float64)}))
        elif name == "vocabulary_":
            own.append(ProbeValues(documents=tuple(_sample(_terms(value), MOST_TERMS))))
        elif isinstance(value, RecordArrayNode):
            own.append(_thresholds(value, component))
        elif isinstance(value, np.ndarray) and width:
            own.append(_of_array(value, width))
        else:
            children += _components(value)
    for child in _sample(children, MOST_PARTS):
        inner = n_features(child)
        if inner is None or width is None or inner == width:
            own.append(probe_values(child))
    return merged(own)


def n_features(component: Component) -> int | None:
    """Return the number of columns that a component takes; None if unknown."""
    for name in ("n_features_in_", "n_features_", "_n_features"):
        count = component.get(name)
        if isinstance(count, int | np.integer):
            return int(count)
    return 1 if _LINE in component else None


def _value(component: ComponentView, name: str) -> Any:
    """The attribute; a structured array as its node, since views do not read those."""
    try:
        return component[name]
    except (KeyError, TypeError, ValueError):
        return None


def _components(value: Any, depth: int = 4) -> Iterator[ComponentView]:
    if isinstance(value, ComponentView):
        yield value
    elif depth and isinstance(value, list | tuple):
        for item in value:
            yield from _components(item, depth - 1)
    elif depth and isinstance(value, np.ndarray) and value.dtype == object:
        yield from _components(value.ravel().tolist(), depth - 1)
    elif depth and isinstance(value, Mapping):
        yield from _components(list(value.values()), depth - 1)


def _of_array(array: Array, width: int) -> ProbeValues:
    if array.dtype.kind not in "iuf" or not array.size:
        return ProbeValues()
    if array.shape == (width,):
        return ProbeValues({at: np.array([array[at]], dtype=np.float64) for at in range(width)})
    if array.ndim == 2 and array.shape[1] == width:
        rows = [np.asarray(row, dtype=np.float64) for row in _sample(array, MOST_ROWS)]
        return ProbeValues(rows=tuple(row for row in rows if np.isfinite(row).all()))
    return ProbeValues()


def _thresholds(node: RecordArrayNode, component: ComponentView) -> ProbeValues:
    """The thresholds of a tree's splits, by feature."""
    for feature, threshold in _TREE_FIELDS:
        if feature in node.names and threshold in node.names:
            arrays = [node.columns[node.names.index(name)] for name in (feature, threshold)]
            if not all(isinstance(each, ArrayNode) for each in arrays):
                return ProbeValues()
            features, thresholds = (
                np.asarray(component.context.arrays[each.array]).ravel()  # type: ignore[union-attr]
                for each in arrays
            )
            return ProbeValues(_by_column(features, thresholds))
    return ProbeValues()


def _by_column(features: Array, thresholds: Array) -> dict[int, Array]:
    found: dict[int, Array] = {}
    for feature in np.unique(features[features >= 0]):
        values = np.unique(thresholds[features == feature].astype(np.float64))
        values = values[np.isfinite(values)]
        if values.size:
            found[int(feature)] = np.asarray(_sample(values, MOST_PER_COLUMN))
    return found


def _categories(columns: Sequence[Any]) -> dict[int, tuple[Any, ...]]:
    return {
        at: tuple(_plain(item) for item in _sample(np.asarray(values, dtype=object).ravel(), 16))
        for at, values in enumerate(columns)
        if isinstance(values, np.ndarray | list | tuple)
    }


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _terms(vocabulary: Any) -> list[str]:
    if isinstance(vocabulary, Mapping):
        return [term for term in islice(vocabulary, 100_000) if isinstance(term, str)]
    return []


def _sample(items: Any, most: int) -> Any:
    """At most `most` items, evenly spread, with the first and the last."""
    count = len(items)
    if count <= most:
        return items
    picks = np.unique(np.linspace(0, count - 1, most).round().astype(int))
    return items[picks] if isinstance(items, np.ndarray) else [items[at] for at in picks]
