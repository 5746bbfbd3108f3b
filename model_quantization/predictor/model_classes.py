"""The class of each quantized model: with `[]`, `len` and iteration where the original has them.

Python looks these up on the class, so there is one class per combination of the pieces in
`parts`. `quantized_model` chooses it.
"""

from __future__ import annotations

from typing import Any

from model_quantization.artifact.reader import Artifact, read_artifact
from model_quantization.errors import FormatError
from model_quantization.families import family_named
from model_quantization.graph.nodes import ObjectNode, PackedNode
from model_quantization.graph.traversal import walk
from model_quantization.predictor.component import ComponentView, Context
from model_quantization.predictor.memory import give_back
from model_quantization.predictor.parts import Indexed, Iterated, Part, Sized
from model_quantization.predictor.quantized_model import QuantizedModel
from model_quantization.trust import TrustPolicy


class _WithParts(QuantizedModel):
    """A quantized model that gives its components as quantized models."""

    def __init__(self, *given: Any) -> None:
        self._parts: dict[str, QuantizedModel] = {}
        super().__init__(*given)

    def _part_of(self, view: ComponentView) -> QuantizedModel:
        with self._lock:
            if view.path not in self._parts:
                part = view.alone()
                self._parts[view.path] = quantized_model(self.artifact, self._trust, part)
        return self._parts[view.path]

    def _shorter(self, view: ComponentView, key: slice) -> QuantizedModel:
        return _class_for(view, is_part=True)(self.artifact, self._trust, view, (self, key))


class _IndexedModel(_WithParts, Indexed):
    pass


class _SizedModel(_WithParts, Sized):
    pass


class _IteratedModel(_WithParts, Iterated):
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


for _kinds in _CLASSES.values():
    for _kind in _kinds:  # Python's own messages name the class, and these names are nobody's
        _kind.__name__ = _kind.__qualname__ = QuantizedModel.__name__


def _class_for(view: ComponentView, *, is_part: bool) -> type[QuantizedModel]:
    parts = family_named(view.family).parts.get(view.type)
    return _CLASSES[parts.by if parts is not None else None][is_part]


def quantized_model(artifact: Artifact, trust: TrustPolicy, view: ComponentView) -> QuantizedModel:
    """The quantized model of one component, with the Python protocols of the original's class."""
    is_part = view.path not in artifact.manifest["model"]["surfaces"]
    return _class_for(view, is_part=is_part)(artifact, trust, view)


def reopen(data: bytes, trusted: tuple[str, ...], path: str) -> QuantizedModel:
    """The quantized model at `path` of an artifact, as unpickling needs it.

    Raises
    ------
    FormatError
        The artifact has no component at this path.
    """
    artifact = read_artifact(data)
    context = Context.of(artifact.root, artifact)
    for where, node in walk(artifact.root):
        if where == path and isinstance(node, ObjectNode | PackedNode):
            view = ComponentView(node, context, path)
            model = quantized_model(artifact, TrustPolicy(frozenset(trusted)), view)
            give_back(artifact.release())
            return model
    raise FormatError("no component at this path", where=path, do="pickle the model again")
