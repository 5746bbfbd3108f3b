"""A captured graph made ready for a plan: components packed, arrays renumbered.

Nothing is rounded here: what is packed unpacks to the same component.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from ml.quantization.families import family_of
from ml.quantization.graph import (
    Array,
    DictNode,
    ModelGraph,
    Node,
    ObjectNode,
    PackedNode,
    RefNode,
    SequenceNode,
    array_indices,
    children,
    entries,
    entry_step,
    join,
    renumber,
    walk,
    with_children,
)


def prepare_graph(graph: ModelGraph) -> ModelGraph:
    """Return the graph with each component in its family's compact form."""
    work = _Work(list(graph.arrays), _reference_counts(graph.root))
    root = work.prepare(graph.root, "")
    used = list(dict.fromkeys(index for _, node in walk(root) for index in array_indices(node)))
    number = {old: new for new, old in enumerate(used)}
    arrays = tuple(work.arrays[index] for index in used)
    return replace(graph, root=renumber(root, number), arrays=arrays)


@dataclass(slots=True)
class _Work:
    arrays: list[Array]
    references: Counter[int]

    def __getitem__(self, index: int) -> Array:
        return self.arrays[index]

    def add(self, array: Array) -> int:
        self.arrays.append(array)
        return len(self.arrays) - 1

    def prepare(self, node: Node, path: str) -> Node:
        match node:
            case ObjectNode():
                return self._object(node, path)
            case PackedNode(parts=parts):
                prepared = tuple((n, self.prepare(part, join(path, n))) for n, part in parts)
                return replace(node, parts=prepared)
            case SequenceNode():
                items = [self.prepare(item, join(path, step)) for step, item in children(node)]
                return replace(node, items=tuple(items))
            case DictNode(keys=SequenceNode(), values=SequenceNode() as values):
                items = [self.prepare(v, join(path, entry_step(k))) for k, v in entries(node)]
                return replace(node, values=replace(values, items=tuple(items)))
            case _:
                return with_children(node, lambda child: self.prepare(child, path))

    def _object(self, node: ObjectNode, path: str) -> Node:
        family = family_of(node.type)
        if family.pack is not None and not self._entangled(node):
            packed = family.pack(node, self)
            if packed is not None:
                return self.prepare(replace(packed, id=node.id), path)
        return replace(
            node,
            args=tuple(self.prepare(item, path) for item in node.args),
            state=self.prepare(node.state, path),
            entries=self.prepare(node.entries, path),
        )

    def _entangled(self, node: Node) -> bool:
        """Whether something below is referred to from elsewhere, or refers to elsewhere."""
        below = _reference_counts(node)
        inside = {
            identity
            for _, held in walk(node)
            if (identity := getattr(held, "id", None)) is not None and held is not node
        }
        return any(target not in inside for target in below) or any(
            self.references[identity] != below[identity] for identity in inside
        )


def _reference_counts(node: Node) -> Counter[int]:
    return Counter(held.target for _, held in walk(node) if isinstance(held, RefNode))
