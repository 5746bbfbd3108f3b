"""How an ensemble holds its trees: found in its state, and put back."""

from __future__ import annotations

from dataclasses import dataclass

from model_quantization.errors import SemanticError
from model_quantization.families.family import Arrays
from model_quantization.families.forest import kinds
from model_quantization.families.forest.kinds import Kind
from model_quantization.families.forest.stored.parts import Layout
from model_quantization.families.forest.trees.members import (
    Members,
    gather_members,
    scatter_members,
)
from model_quantization.families.forest.trees.records import TreeMake
from model_quantization.graph.nodes import (
    DictNode,
    Node,
    ObjectArrayNode,
    ObjectNode,
    SequenceNode,
    attributes,
)


@dataclass(frozen=True, slots=True)
class Ensemble:
    """The trees of an ensemble, in order, and the estimators around them."""

    trees: list[Node]
    members: Members | None
    outputs: int | None = None  # trees of one boosting iteration


def find_trees(kind: Kind, state: dict[str, Node], arrays: Arrays) -> Ensemble | None:
    """The trees of an ensemble; None if it holds anything else."""
    value = state[kind.attribute]
    if kind.container == "single":
        return Ensemble([value], None)
    outputs = None
    if kind.container == "grid":
        if not isinstance(value, ObjectArrayNode) or len(value.shape) != 2:
            return None
        outputs = value.shape[1]
        value = value.items
    if not isinstance(value, SequenceNode) or not value.items:
        return None
    if kind.container == "nested":
        rows = [row.items for row in value.items if isinstance(row, SequenceNode)]
        if len(rows) != len(value.items) or len({len(row) for row in rows}) != 1:
            return None
        return Ensemble([tree for row in rows for tree in row], None, len(rows[0]))
    estimators = [item for item in value.items if isinstance(item, ObjectNode)]
    known = kinds.CLASSIFIER_TREES | kinds.REGRESSOR_TREES
    if len(estimators) != len(value.items) or any(item.type not in known for item in estimators):
        return None
    members = gather_members(estimators, arrays)
    if members is None:
        return None
    return Ensemble([attributes(item).get("tree_") for item in estimators], members, outputs)


def contain(
    kind: Kind, built: list[Node], members: Members | None, parts: dict[str, Node], arrays: Arrays
) -> Node:
    """The attribute that holds the trees.

    Raises
    ------
    SemanticError
        The number of trees fits neither the kind, nor the iterations, nor the members.
    """
    if kind.container == "single":
        if len(built) != 1:
            raise SemanticError("not one tree", where="tree_count", got=str(len(built)))
        return built[0]
    outputs = parts.get("tree_outputs", 1)
    if type(outputs) is not int or outputs < 1 or len(built) % outputs:
        raise SemanticError(
            "not a number of trees per iteration", where="tree_outputs", got=repr(outputs)
        )
    if kind.container == "nested":
        rows = range(0, len(built), outputs)
        return SequenceNode(
            "list", tuple(SequenceNode("list", tuple(built[at : at + outputs])) for at in rows)
        )
    trees = [tree for tree in built if isinstance(tree, ObjectNode)]
    estimators = scatter_members(members, trees, arrays) if members is not None else None
    if estimators is None:
        raise SemanticError("another number of estimators than of trees", where="tree_varying")
    items = SequenceNode("list", tuple(estimators))
    if kind.container == "grid":
        return ObjectArrayNode((len(built) // outputs, outputs), items)
    return items


def read_members(parts: dict[str, Node]) -> Members | None:
    """The estimators around the trees, from the parts; None for a single tree.

    Raises
    ------
    SemanticError
        Not what `gather_members` made.
    """
    kind, shared, varying = (parts.get(f"tree_{n}") for n in ("type", "shared", "varying"))
    if kind is None:
        return None
    known = kinds.CLASSIFIER_TREES | kinds.REGRESSOR_TREES
    if (
        not isinstance(kind, str)
        or kind not in known
        or not isinstance(shared, DictNode)
        or not isinstance(varying, DictNode)
    ):
        raise SemanticError("not the estimators around the trees", where="tree_type")
    return Members(kind, shared, varying)


def tree_owner(type_name: str, members: Members | None) -> str:
    """The class of the tree estimators."""
    return members.type if members is not None else type_name


def leaf_layout(kind: Kind, make: TreeMake | None, owner: str, state: dict[str, Node]) -> Layout:
    """The layout that follows from the kind of a packed forest: its parts need not say it."""
    if make is None:
        n_features = state.get("_n_features", state.get("n_features_in_"))
        return Layout(n_features if isinstance(n_features, int) else 0, 1)
    if kind.leaf != "value":
        return Layout(make.n_features, 1 if kind.leaf == "path" else 0)
    return Layout(make.n_features, make.width, make.n_outputs, owner in kinds.CLASSIFIER_TREES)


def read_make(node: Node) -> TreeMake | None:
    """The numbers in `tree_make`.

    Raises
    ------
    SemanticError
        Numbers that no tree has.
    """
    if node is None:
        return None
    items = node.items if isinstance(node, SequenceNode) else ()
    numbers = [item for item in items if type(item) is int and item >= 1]
    if len(numbers) != len(items) or len(numbers) < 3 or len(numbers) != 2 + numbers[1]:
        raise SemanticError(
            "the make of the trees",
            where="tree_make",
            expected="n_features, n_outputs, and n_classes of each output",
        )
    return TreeMake(numbers[0], tuple(numbers[2:]), numbers[1])
