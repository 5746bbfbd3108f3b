"""Measures the nesting of a scanned model, and its size with all shared parts written out."""

from __future__ import annotations

from collections.abc import Iterator

from model_quantization.errors import ScanRefused
from model_quantization.limits import Limits
from model_quantization.loading.pickles.placeholders import Global, Instance, Members, Pairs
from model_quantization.trust import TrustPolicy

_CONTAINERS = frozenset({tuple, list, Pairs, Members})
_SHARING_ALLOWED = 20


def _inner(value: object) -> Iterator[object]:
    if isinstance(value, Instance):
        return iter((value.args, value.state, value.items))
    return iter(value if isinstance(value, list | tuple) else ())


def check_nesting(root: object, limits: Limits, trust: TrustPolicy) -> None:
    """Check that code can walk a model: it is not too deep, and no "billion laughs".

    On the way every name in the model is checked against the list once more: a function that
    only a pickle may call (`getattr`, numpy's reconstructors) is never something to keep.

    Thirty lists, each holding the next one twice, are a small file and a billion items to whoever
    walks them. Both figures are computed without walking anything twice; a reference back to
    something that is still open (a cycle) counts as nothing.

    Raises
    ------
    ScanRefused
        Nested deeper than `limits.pickle_depth`, or, written out, more containers than
        `limits.nodes` and 20 times as many as there are. It holds a function as a value that only
        a pickle may call.
    """
    _check_held(root, trust)
    measured: dict[int, tuple[int, int]] = {id(root): (0, 0)}
    opened: list[tuple[object, Iterator[object], int, int]] = [(root, _inner(root), 0, 1)]
    while opened:
        value, rest, depth, weight = opened.pop()
        for child in rest:
            if type(child) not in _CONTAINERS and not isinstance(child, Instance):
                _check_held(child, trust)
                continue
            known = measured.get(id(child))
            if known is None:
                measured[id(child)] = (0, 0)
                opened.append((value, rest, depth, weight))
                opened.append((child, _inner(child), 0, 1))
                break
            depth = max(depth, known[0])
            weight += known[1]
        else:
            measured[id(value)] = (depth + 1, weight)
            if opened:
                above, others, above_depth, above_weight = opened.pop()
                opened.append((above, others, max(above_depth, depth + 1), above_weight + weight))
    depth, weight = measured[id(root)]
    do = "do not open this file"
    if depth > limits.pickle_depth:
        expected = f"at most {limits.pickle_depth:,} levels"
        raise ScanRefused("nests too deep", expected=expected, got=f"{depth:,}", do=do)
    if weight > max(limits.nodes, _SHARING_ALLOWED * len(measured)):
        raise ScanRefused(
            "shares its parts so often that walking it would not end",
            expected=f"at most {limits.nodes:,} containers",
            got=f"{weight:.3g} out of {len(measured):,}",
            do=do,
        )


def _check_held(value: object, trust: TrustPolicy) -> None:
    if type(value) is Global and not trust.may_hold(value.name):
        raise ScanRefused(
            f"the model holds {value.name}, which a pickle may call in its own way only",
            expected="a class or function that models hold",
            do="do not open this file",
        )
