"""A live model at chosen levels of its ladders, as an artifact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model_quantization.estimators.capture import capture
from model_quantization.estimators.reachable import find_surfaces
from model_quantization.pipeline.record import Source, artifact_of, describe
from model_quantization.planning.assigned import Assigner, Refit
from model_quantization.planning.ladders import AnyLadder, find_ladders
from model_quantization.planning.packing import PreparedGraph, prepare_graph
from model_quantization.planning.plan import Plan
from model_quantization.schemes.recipe import recipe_for
from model_quantization.trust import TrustPolicy


@dataclass(slots=True)
class Coarsened:
    """One model and its ladders."""

    model: Any
    prepared: PreparedGraph
    ladders: tuple[AnyLadder, ...]
    assigner: Assigner

    @classmethod
    def of(cls, model: Any) -> Coarsened:
        """The ladders of a fitted model."""
        prepared = prepare_graph(capture(model, TrustPolicy()))
        recipe = recipe_for("auto", 0.0)
        ladders = find_ladders(prepared.graph, recipe)
        return cls(model, prepared, ladders, Assigner(prepared.graph, ladders, recipe))

    def plan(self, levels: Mapping[str, str], refit: Refit | None = None) -> Plan:
        """The plan at these levels."""
        return self.assigner.plan(levels, refit)

    def artifact(self, levels: Mapping[str, str], refit: Refit | None = None) -> bytes:
        """The artifact at these levels."""
        source = Source("model", "", 0, "1.9.1", find_surfaces(self.model))
        return artifact_of(self.plan(levels, refit), source, describe(self.prepared))[0]

    def levels_of(self, ending: str) -> tuple[str, tuple[str, ...]]:
        """The key and the levels of the one ladder whose key ends so."""
        found = [ladder for ladder in self.ladders if ladder.key.endswith(ending)]
        assert len(found) == 1, [ladder.key for ladder in self.ladders]
        return found[0].key, found[0].levels
