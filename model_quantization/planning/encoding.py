"""Carries a plan out: every array under its scheme, and the cost of each component."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from model_quantization.arrays import Array
from model_quantization.artifact.writer import EncodedModel, StreamPart
from model_quantization.planning.plan import Choice, Plan
from model_quantization.records import Record
from model_quantization.schemes.pruning import count_kept
from model_quantization.schemes.quantize import quantize_array
from model_quantization.schemes.quantized_array import QuantizedArray
from model_quantization.schemes.scheme import Exact

_MOST_KEPT: Final = 4 << 20  # bytes of an array that `RoundedArrays` keeps
_COPIED: Final = 1024  # bytes from which an array is worth looking for


@dataclass(frozen=True, slots=True)
class ComponentCost(Record):
    """One component's line in the report.

    Attributes
    ----------
    path, type, family : str
    scheme : str
        Every scheme used in it, the one with the most bytes first.
    bytes_before, bytes_after : int
        Of its arrays: as numpy holds them, and in the artifact.
    reason : str
        Why the largest of its arrays got its scheme.
    weights_kept : int
        Weights below the threshold that were not pruned, as they move the scores.
    """

    path: str
    type: str
    family: str
    scheme: str
    bytes_before: int
    bytes_after: int
    reason: str
    weights_kept: int = 0


class RoundedArrays:
    """Keeps arrays under their schemes: plans of one model differ in few of them.

    Arrays of more than 4 MB are not kept: there are plans whose every large array is another one.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], tuple[Any, QuantizedArray]] = {}

    def rounded(self, array: Array, choice: Choice) -> QuantizedArray:
        """Return one array under the scheme chosen for it."""
        if array.nbytes > _MOST_KEPT:
            return quantized(array, choice)
        ranges = None if choice.ranges is None else choice.ranges.tobytes()
        by = (choice.scheme, choice.slot, choice.threshold, id(choice.spread), ranges, choice.path)
        key = (id(array), *by)
        if key not in self._known:
            # Both are kept, so that no other object gets the id of one in the key.
            self._known[key] = (array, choice.spread), quantized(array, choice)
        return self._known[key][1]


def encode(
    plan: Plan, rounded: Callable[[Array, Choice], QuantizedArray] | None = None
) -> EncodedModel:
    """Return every array of the plan's graph under the scheme chosen for it.

    Parameters
    ----------
    plan : Plan
    rounded : callable, optional
        `RoundedArrays.rounded` where many plans of one model are encoded.

    Raises
    ------
    SchemeError
        An array that does not tolerate its scheme (only an override can ask for that).
    """
    pairs = zip(plan.graph.arrays, plan.choices, strict=True)
    arrays = tuple((rounded or quantized)(array, choice) for array, choice in pairs)
    pools = tuple(choice.pool for choice in plan.choices)
    return EncodedModel(plan.graph.root, arrays, pools, _copies(plan, arrays))


def _copies(plan: Plan, arrays: Sequence[QuantizedArray]) -> dict[int, int]:
    """Arrays that are equal to an earlier one, if their slots say that nothing changes them.

    A restored model holds one array for all of them.
    """
    first: dict[bytes, int] = {}
    copies = {}
    for index, (array, choice) in enumerate(zip(arrays, plan.choices, strict=True)):
        if not choice.slot.never_changed or plan.graph.arrays[index].nbytes < _COPIED:
            continue
        found = hashlib.sha256(repr((array.to_meta(), sorted(array.parts))).encode())
        for _, values in sorted(array.parts.items()):
            found.update(values.tobytes())
        earlier = first.setdefault(found.digest(), index)
        if earlier != index:
            copies[index] = earlier
    return copies


def quantized(array: Array, choice: Choice) -> QuantizedArray:
    """Return one array under the scheme chosen for it."""
    return quantize_array(
        array,
        choice.scheme,
        choice.slot,
        threshold=choice.threshold,
        spread=choice.spread,
        ranges=choice.ranges,
        either_order=True,
        where=choice.path,
    )


def component_costs(
    plan: Plan, parts: list[StreamPart], packed_bytes: Mapping[str, int]
) -> list[ComponentCost]:
    """Return one line per component that holds arrays, in the order of the graph.

    Parameters
    ----------
    plan : Plan
    parts : list of StreamPart
        The bytes of each part.
    packed_bytes : mapping of str to int
        Bytes of packed components before they were packed (`PreparedGraph.packed_bytes`).
    """
    after = [0.0] * len(plan.choices)
    for part in parts:
        after[part.array] += part.stored_bytes
    members: dict[tuple[str, str, str], list[int]] = {}
    for index, choice in enumerate(plan.choices):
        members.setdefault((choice.component, choice.type, choice.family), []).append(index)
    lines = []
    for (path, type_name, family), indices in members.items():
        largest = sorted(indices, key=lambda index: -plan.graph.arrays[index].nbytes)
        schemes = dict.fromkeys(str(plan.choices[index].scheme) for index in largest)
        if path in plan.bits:
            schemes = {f"coarse{plan.bits[path]}": None}
        before = sum(plan.graph.arrays[index].nbytes for index in indices)
        rounded = [index for index in largest if plan.choices[index].scheme != Exact()]
        lines.append(
            ComponentCost(
                path=path,
                type=type_name,
                family=family,
                scheme=", ".join(schemes),
                bytes_before=packed_bytes.get(path, before),
                bytes_after=round(sum(after[index] for index in indices)),
                reason=plan.reasons.get(path) or _why(plan.choices[(rounded or largest)[0]]),
                weights_kept=sum(
                    _weights_kept(plan.graph.arrays[index], plan.choices[index])
                    for index in indices
                ),
            )
        )
    return lines


def _weights_kept(array: Array, choice: Choice) -> int:
    return count_kept(array, choice.threshold, choice.slot, choice.spread)


def _why(choice: Choice) -> str:
    return f"{choice.path.rpartition('/')[2] or 'model'}: {choice.reason}"
