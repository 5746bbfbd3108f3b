"""Each compiled kernel against the same kernel in numba: ratios of thread CPU time, in one process.

    python -m benchmarks.kernels --before DIRECTORY

`DIRECTORY` is a checkout of the last commit whose kernels were numba's and lay in
`ml/quantization`; they are imported from there, and numba must be installed. Calls alternate;
medians are compared, and results must be equal bit for bit.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.kernel_cases import (
    Case,
    lay_out_cases,
    level_cases,
    old,
    row_cases,
    sum_cases,
    topology_cases,
)
from benchmarks.recorded_calls import EARLIER, recorded_calls
from model_quantization.kernels.compiled import compiled_kernels, instruction_set

ROUNDS = 41
LEAST_SECONDS = 2e-4  # of a timed stretch: short calls are repeated


def linear_cases(kernels: dict[str, Any]) -> Iterator[Case]:
    """Whole calls, with the arrays that they make, as predictors make them."""
    from model_quantization.kernels.linear import linear_rows

    rng = np.random.default_rng(5)
    before = old("linear_rows")
    for columns in (1, 3, 10, 40):
        weights, bias = rng.normal(size=(columns, 30)), rng.normal(size=columns)
        for count, dtype in ((1, np.float64), (2000, np.float64), (2000, np.float32)):
            rows = rng.normal(size=(count, 30)).astype(dtype)
            for name in ("row_scores", "row_softmax", "row_one_vs_rest", "row_winners"):
                yield Case(
                    f"{name}, {count} rows x {columns}, {rows.dtype}",
                    lambda n=name, a=(rows, weights, bias): getattr(before, n)(*a),
                    lambda n=name, a=(rows, weights, bias): getattr(linear_rows, n)(*a),
                    same_bits=False,
                )


def text_cases(kernels: dict[str, Any]) -> Iterator[Case]:
    """Every text kernel with the arguments that real models give it: loading, one, and many."""
    calls = list(recorded_calls(kernels))
    for label, name, given in calls:
        earlier = EARLIER[name]
        theirs = tuple(
            np.copy(each) if isinstance(each, np.ndarray) else each
            for at, each in enumerate(given)
            if at not in earlier.scratch
        )
        if earlier.arguments is not None:
            theirs = earlier.arguments(theirs)
        ours = tuple(np.copy(each) if isinstance(each, np.ndarray) else each for each in given)
        shared = tuple(
            at for at, each in enumerate(ours)
            if isinstance(each, np.ndarray) and at not in earlier.scratch
        )  # fmt: skip

        def before(call: Any, theirs: Any = theirs) -> tuple[Any, ...]:
            return (call(*theirs), *(each for each in theirs if isinstance(each, np.ndarray)))

        def after(
            call: Any, ours: Any = ours, scratch: Any = earlier.scratch, shared: Any = shared
        ) -> tuple[Any, ...]:
            if scratch:
                made = list(ours)
                for at in scratch:
                    made[at] = np.empty(ours[at].size, ours[at].dtype)
                return (call(*made), *(ours[at] for at in shared))
            return (call(*ours), *(ours[at] for at in shared))

        numbas = getattr(old(earlier.module), name)
        yield Case(
            f"{name}, {label}",
            lambda f=before, c=numbas: f(c),
            lambda f=after, c=kernels[name]: f(c),
        )


GROUPS = (
    topology_cases,
    lay_out_cases,
    row_cases,
    sum_cases,
    level_cases,
    linear_cases,
    text_cases,
)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple):
        return all(same(mine, theirs) for mine, theirs in zip(one, other, strict=True))
    return np.asarray(one).tobytes() == np.asarray(other).tobytes() or one == other


def timed(call: Callable[[], Any], repeats: int) -> float:
    begun = time.thread_time()
    for _ in range(repeats):
        call()
    return (time.thread_time() - begun) / repeats


def measure(case: Case) -> tuple[float, float, bool]:
    """Seconds before and after, and whether the results are the same bits."""
    first, second = case.before(), None
    first = tuple(np.copy(each) for each in first) if isinstance(first, tuple) else np.copy(first)
    second = case.after()
    equal = same(first, second) if case.same_bits else np.allclose(first, second)
    repeats = max(1, int(LEAST_SECONDS / max(timed(case.before, 5), 1e-7)))
    pairs = [(timed(case.before, repeats), timed(case.after, repeats)) for _ in range(ROUNDS)]
    before, after = (statistics.median(column) for column in zip(*pairs, strict=True))
    return before, after, equal


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", required=True, help="checkout with numba's kernels")
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument(
        "--group", default="", help="groups whose name has this in it: text, linear"
    )
    given = parser.parse_args()
    sys.path.append(given.before)
    kernels = compiled_kernels(instruction_set())
    print(f"instruction set: {instruction_set()}")
    ratios = []
    for group in GROUPS:
        if given.group not in group.__name__:
            continue
        for case in group(kernels):
            if given.only not in case.name:
                continue
            before, after, equal = measure(case)
            ratios.append(after / before)
            print(
                f"{case.name:50} {before * 1e6:10,.2f} us -> {after * 1e6:10,.2f} us"
                f"   ratio {after / before:5.2f}{'' if equal else '   DIFFERENT BITS'}",
                flush=True,
            )
    over = sum(ratio > 1.1 for ratio in ratios)
    print(
        f"{len(ratios)} cases: median ratio {statistics.median(ratios):.2f}, "
        f"worst {max(ratios):.2f}, {over} over 1.1"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
