"""Boosters of other libraries as pooled trees: which library reads a component, and writes it.

A booster's own bytes are read by Python and numpy alone. What the kernels would not answer bit for
bit as the library does is left to the library: the reader raises `UnsupportedComponent`, and says
why.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import SemanticError, UnsupportedComponent
from model_quantization.families.family import Arrays
from model_quantization.families.forest.trees.reading import order_trees, pool_trees, within
from model_quantization.graph.nodes import ArrayNode, Node, ObjectNode, attributes
from model_quantization.kernels.trees.pooled import PooledTrees
from model_quantization.values import Value

State: TypeAlias = dict[str, Node]


class Dump(Value, frozen=True):
    """A booster as it was read.

    Attributes
    ----------
    trees : PooledTrees
    n_features : int
        Columns that a split may look at.
    outputs : int
        Trees of one boosting iteration.
    state : list of (attribute, node)
        Kept beside the trees.
    """

    trees: PooledTrees
    n_features: int
    outputs: int
    state: list[tuple[str, Node]]


NO_BOOSTER = "it holds no booster that is known here"


def booster_fields(state: State, kind: str) -> dict[str, Node]:
    """The fields of an estimator's booster, which is an object of the class `kind`.

    Raises
    ------
    UnsupportedComponent
        Its booster is missing or of another class.
    """
    booster = state["_Booster"]
    if not isinstance(booster, ObjectNode) or booster.type != kind:
        raise UnsupportedComponent(NO_BOOSTER)
    return attributes(booster)


def shown_parts(
    arrays: Arrays,
    *,
    classes: Node = None,
    names: list[str],
    names_as: str = "feature_names_in_",
    importances: Array | None = None,
) -> list[tuple[str, Node]]:
    """Parts that estimators work out of their booster, where this one has them.

    Parameters
    ----------
    classes : Node
        The labels, in the order of the outputs; None for a regressor.
    names : list of str
        Of the columns; empty where they have none.
    names_as : str
        The part that keeps the names.
    importances : float, shape (n_features,), optional
    """
    parts: list[tuple[str, Node]] = []
    if classes is not None:
        parts.append(("classes_", classes))
    if names:
        parts.append((names_as, ArrayNode(arrays.add(np.array(names)))))
    if importances is not None:
        parts.append(("feature_importances_", ArrayNode(arrays.add(importances))))
    return parts


def whole_parts(parts: State, library: str, *names: str) -> tuple[int, ...]:
    """The values of these parts of a packed booster, each a whole number of at least 1.

    Raises
    ------
    SemanticError
        A value is anything else.
    """
    found = [value for name in names if type(value := parts.get(name)) is int and value >= 1]
    if len(found) < len(names):
        raise not_the_parts(library)
    return tuple(found)


def not_the_parts(library: str) -> SemanticError:
    """The error for a packed booster that its library could not be given."""
    return SemanticError(f"not the parts of {library} booster", where="booster_state")


class NodeTable(Value, frozen=True):
    """The nodes of all trees, one tree after another, each in its own numbering; roots are 0.

    Attributes
    ----------
    sizes : int, shape (n_trees,)
        Nodes of each tree.
    left, right : int
        Children, counted within the tree; negative at leaves.
    feature, threshold, missing_left
        Of splits: `x <= threshold` goes left.
    value : float64 or float32, shape (n_nodes,) or (n_nodes, width)
        Of leaves.
    """

    sizes: Array
    left: Array
    right: Array
    feature: Array
    threshold: Array
    missing_left: Array
    value: Array


def pool_nodes(
    nodes: NodeTable,
    n_features: int,
    categorical: Array | None = None,
    bitsets: Array | None = None,
) -> PooledTrees:
    """The trees of a table of nodes, in preorder.

    Parameters
    ----------
    categorical : bool, shape (n_nodes,), optional
        Nodes that look a category up.
    bitsets : uint32, shape (n_nodes, 8), optional
        The categories that go left.

    Raises
    ------
    UnsupportedComponent
        They are no trees, or look at features that do not exist.
    """
    edges = np.cumsum(nodes.sizes)[:-1]
    children = zip(np.split(nodes.left, edges), np.split(nodes.right, edges), strict=True)
    order = order_trees(list(children))
    if order is None:
        raise UnsupportedComponent("the children of its nodes make no trees")
    split = nodes.left[order.pick] >= 0
    inner, leaves = order.pick[split], order.pick[~split]
    feature, threshold = nodes.feature[inner].astype(np.int64), nodes.threshold[inner]
    if not within(feature, n_features) or np.isnan(threshold).any():
        raise UnsupportedComponent(
            "a split looks at a feature that does not exist, or compares with NaN"
        )
    lookup = categorical[inner] if categorical is not None and categorical.any() else None
    trees = pool_trees(
        order,
        split,
        feature,
        threshold,
        nodes.missing_left[inner],
        nodes.value[leaves].reshape(len(leaves), -1),
        lookup,
        bitsets[inner][lookup] if lookup is not None and bitsets is not None else None,
    )
    assert trees is not None  # `order_trees` has seen them closed
    return trees
