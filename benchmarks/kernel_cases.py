"""Kernels of trees and rows with arguments, beside numba's kernels with the same arguments."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """One kernel with arguments: two calls, each of which gives the arrays it wrote."""

    name: str
    before: Callable[[], Any]
    after: Callable[[], Any]
    same_bits: bool = True  # or equal within rounding: sums in another order


def old(module: str) -> Any:
    return importlib.import_module(f"ml.quantization.kernels.{module}")


def random_split(rng: np.random.Generator, leaves: int) -> np.ndarray:
    """The flags of one random tree with that many leaves, in preorder."""
    flags: list[int] = []
    stack = [leaves]
    while stack:
        count = stack.pop()
        flags.append(int(count > 1))
        if count > 1:
            left = int(rng.integers(max(1, count // 4), max(2, count - count // 4)))
            stack += [count - left, left]
    return np.array(flags, dtype=np.uint8)


def random_forest(n_trees: int, leaves: int, n_columns: int) -> Any:
    """A forest as the old package stores it."""
    rng = np.random.default_rng(0)
    split = np.concatenate([random_split(rng, leaves) for _ in range(n_trees)])
    formed = old("topology").shape(split, n_trees)
    n_splits = int(split.sum())
    return old("tree_layout").Shape(
        split,
        *formed,
        rng.integers(0, n_columns, n_splits).astype(np.uint32),
        rng.normal(size=n_splits).astype(np.float32),
        lambda: rng.random(n_splits) < 0.5,
    )


def topology_cases(kernels: dict[str, Any]) -> Iterator[Case]:
    shape = random_forest(50, 400, 20)
    n, trees = shape.split.size, shape.sizes.size
    topology, pack = old("topology"), old("tree_pack")
    sizes, right = np.zeros(trees, np.int32), np.empty(n, np.int32)
    room = np.empty(n + 2, np.int32)
    yield Case(
        "expand",
        lambda: (topology.expand(shape.split, sizes, right), sizes.copy(), right.copy()),
        lambda: (kernels["expand"](shape.split, sizes, right, room), sizes.copy(), right.copy()),
    )
    counts = np.empty(n, np.int32)
    parts = (shape.split, shape.sizes, shape.right, counts)
    for name in ("count_splits_above", "count_leaves"):
        yield Case(
            name,
            lambda name=name: (getattr(topology, name)(*parts), counts.copy())[1],
            lambda name=name: (kernels[name](*parts), counts.copy())[1],
        )
    end = int(shape.sizes[0])
    left = np.where(shape.split[:end] == 1, np.arange(end) + 1, -1).astype(np.int32)
    links = (left, shape.right[:end].copy(), np.empty(end, np.int32), np.empty(end, np.int32))
    yield Case("preorder", lambda: topology.preorder(*links), lambda: kernels["preorder"](*links))
    rng = np.random.default_rng(1)
    feature = rng.integers(0, 30, 20_000).astype(np.uint32)
    places = np.empty(31, np.int64)
    for bits in (8, 16, 32, 64):
        values = rng.integers(0, 250, feature.size).astype(f"u{bits // 8}")
        placed = np.empty_like(values)
        yield Case(
            f"undo_order u{bits}",
            lambda v=values, p=placed: (pack._undo_order(v, feature, 30, p), p)[1],
            lambda v=values, p=placed: (kernels["undo_order"](v, feature, places, p), p)[1],
        )
    sizes_of = np.full(30, 300, np.int64)
    ranks = rng.integers(0, 300, feature.size).astype(np.uint32)
    at = np.empty(feature.size, np.uint32)
    starts = np.cumsum(sizes_of) - sizes_of
    yield Case(
        "place_ranks",
        lambda: (pack._place(ranks, feature, sizes_of, at), at.copy()),
        lambda: (kernels["place_ranks"](ranks, feature, sizes_of, starts, places, at), at.copy()),
    )
    second = pack.second_siblings(shape.split)
    ids = rng.integers(0, 900, second.size)
    one, other = pack.pair_siblings(ids, second, 900)
    merged = (pack._one_more(one), pack._one_more(other), shape.split, 900)
    whole = np.empty(second.size, np.uint32)
    yield Case(
        "merge_siblings",
        lambda: (pack._merge_siblings(*merged, whole), whole.copy()),
        lambda: (kernels["merge_siblings"](*merged, whole), whole.copy()),
    )
    nodes = np.zeros(end, dtype=[("left", "<i8"), ("right", "<i8"), ("f", "<i8"), ("x", "<f8", 5)])
    nodes["left"], nodes["right"] = links[0], links[1]
    linked = np.empty(end, np.uint8)
    fields = (nodes["left"], nodes["right"], nodes["f"])

    def checked() -> tuple[int, int]:
        found = kernels["find_fault"](*fields, 9, linked)
        return found & 7, found >> 3

    yield Case("find_fault", lambda: old("tree_links").first_fault(*fields, 9), checked)


def lay_out_cases(kernels: dict[str, Any]) -> Iterator[Case]:
    shape = random_forest(50, 400, 20)
    n, trees = shape.split.size, shape.sizes.size
    payload = np.arange((n + trees) // 2, dtype=np.uint32)
    made = (
        np.zeros(n + trees, np.uint64),
        np.empty(trees, np.uint64),
        np.empty(trees, np.uint64),
        np.empty(trees, np.uint32),
    )
    given = (
        shape.split, shape.sizes, shape.right, shape.feature, shape.threshold.view(np.uint32),
        payload, 24,
    )  # fmt: skip
    scratch = np.empty(2 * (int(shape.sizes.max()) + 2), np.uint64)
    yield Case(
        "write_nodes",
        lambda: (old("tree_layout").write_nodes(*given, *made), *(each.copy() for each in made)),
        lambda: (kernels["write_nodes"](*given, *made, scratch), *(each.copy() for each in made)),
    )


def sum_cases(kernels: dict[str, Any]) -> Iterator[Case]:
    rng = np.random.default_rng(2)
    for label, n_trees, leaves, width, dtype in (
        ("A1 forest 100 x 1500, 2 classes", 100, 1500, 2, np.float64),
        ("B1 boosted 300 x 31", 300, 31, 1, np.float64),
        ("B1 in float32", 300, 31, 1, np.float32),
        ("many small 1000 x 60", 1000, 60, 1, np.float64),
        ("large 300 x 12000, 5 classes", 300, 12000, 5, np.float64),
    ):
        shape = random_forest(n_trees, leaves, 30)
        n_leaves = int((shape.split == 0).sum())
        table = old("leaf_sums").leaf_table(
            (rng.random((n_leaves, width)) * (rng.random((n_leaves, width)) < 0.6)).astype(dtype)
            if width > 1
            else rng.normal(size=(n_leaves, width)).astype(dtype)
        )
        nodes = old("tree_layout").lay_out(shape, np.arange(n_leaves), 30, doubled=False)
        forest = (nodes.words, nodes.starts, nodes.banks, nodes.bases)
        leaf = (table.ends, table.places, table.values, table.width, 1)
        rows = rng.normal(size=(2000, 30))
        row, out = rows[0].copy(), np.zeros(width, dtype)
        one = (*forest, row, nodes.shift, *leaf, 3.0)

        def zeroed(call: Callable[[], Any], out: np.ndarray) -> np.ndarray:
            out[...] = 0.0
            call()
            return out

        yield Case(
            f"answer_one, {label}",
            lambda one=one, out=out: zeroed(lambda: old("single_row").answer_one(*one, out), out),
            lambda one=one, out=out: zeroed(lambda: kernels["answer_one"](*one, out), out),
        )
        if dtype == np.float64:
            decoded = (
                shape.split, shape.sizes, shape.right, shape.feature, shape.threshold,
                np.arange(n_leaves, dtype=np.uint32), row,
                rng.normal(size=(n_leaves, width)), 1, 3.0,
            )  # fmt: skip
            yield Case(
                f"answer_first, {label}",
                lambda d=decoded, out=out: zeroed(
                    lambda: old("first_row").answer_first(*d, out), out
                ),
                lambda d=decoded, out=out: zeroed(lambda: kernels["answer_first"](*d, out), out),
            )
        groups, _, _ = old("tree_sum").grouped(rows)
        flat = groups.reshape(-1)
        block = old("tree_sum").block_rows(30, nodes.words.nbytes)
        many = np.zeros(2000 * width, dtype)
        room = (np.empty(block, np.uint32), np.empty(0, np.uint8))
        no_tops = (np.empty((0, 0), np.uint8), np.empty(0, np.uint32), np.empty(0, np.int64))
        yield Case(
            f"sum_block, {label}",
            lambda a=(*forest, flat, 30, 0, 2000, block, nodes.shift, *leaf, many), out=many: (
                zeroed(lambda: old("leaf_sums").sum_block(*a), out)
            ),
            lambda a=(*forest, flat, 30, 0, 2000, nodes.shift, *no_tops, *leaf), r=room, out=many: (
                zeroed(lambda: kernels["sum_block"](*a, *r, out), out)
            ),
        )
    shape = random_forest(50, 400, 30)
    n_leaves = int((shape.split == 0).sum())
    nodes = old("tree_layout").lay_out(shape, np.arange(n_leaves), 30, doubled=False)
    forest = (nodes.words, nodes.starts, nodes.banks, nodes.bases)
    reached = np.empty(2000 * 50, np.int64)
    yield Case(
        "payload_block",
        lambda: (
            old("traversal").payload_block(*forest, flat, 30, 0, 2000, 128, nodes.shift, reached),
            reached.copy(),
        )[1],
        lambda: (
            kernels["payload_block"](
                *forest, flat, 30, 0, 2000, nodes.shift, np.empty(128, np.uint32), reached
            ),
            reached.copy(),
        )[1],
    )


def row_cases(kernels: dict[str, Any]) -> Iterator[Case]:
    rng = np.random.default_rng(3)
    for dtype in (np.float32, np.float64):
        for doubled in (False, True):
            rows = rng.normal(size=(2000, 30)).astype(dtype)
            groups = np.empty(250 * 30 * 8 * (1 + doubled), np.float32)
            given = (rows, groups, doubled)
            yield Case(
                f"group_rows {rows.dtype}{' doubled' if doubled else ''}",
                lambda g=given: (old("traversal").group_rows(*g), g[1].copy()),
                lambda g=given: (kernels["group_rows"](*g), g[1].copy()),
            )
    binning = old("binning")
    for size in (255, 1000):
        table = np.sort(rng.normal(size=(30, size)), axis=1).ravel()
        edges = binning.pad_table(table, np.full(30, size))
        rows = rng.normal(size=(2000, 30))
        for count in (1, 2000):
            coded = np.zeros(-(-count // 8) * 8 * 30, np.float32)
            given = (rows[:count].reshape(-1), 30, np.arange(30), *edges)
            rest = (0, count, coded, 30, False)
            no_grids = (np.empty(0), np.empty(0), np.empty((0, 1), np.uint8), np.empty(0, np.int64))
            yield Case(
                f"code_rows {size} edges, {count} rows",
                lambda g=given, r=rest: (binning.code_rows(*g, *r), r[2].copy()),
                lambda g=given, r=rest, n=no_grids: (
                    kernels["code_rows"](*g, *n, *r),
                    r[2].copy(),
                ),
            )
    shape = random_forest(300, 31, 30)
    n_leaves = int((shape.split == 0).sum())
    nodes = old("tree_layout").lay_out(shape, np.arange(n_leaves), 30, doubled=False)
    leaf = old("leaf_sums").leaf_table(rng.normal(size=(n_leaves, 1)))
    edges = binning.pad_table(np.sort(rng.normal(size=(30, 255)), axis=1).ravel(), np.full(30, 255))
    out = np.zeros(1)
    one = (
        nodes.words, nodes.starts, nodes.banks, nodes.bases, rows[0].copy(), np.arange(30), *edges,
        30, False, nodes.shift, leaf.ends, leaf.places, leaf.values, 1, 1, out,
    )  # fmt: skip
    yield Case(
        "answer_one_coded",
        lambda: (old("single_row").answer_one_coded(*one), out.copy())[0],
        lambda: (kernels["answer_one_coded"](*one), out.copy())[0],
    )
    left, known = (rng.random((2, 4, 256)) < 0.5).astype(np.uint8)
    looked = np.abs(rng.normal(size=(2000, 4)) * 50).round()
    coded = np.zeros(2000 * 4, np.float32)
    given = (
        looked.reshape(-1), 4, np.arange(4), left, known, np.zeros(4, np.uint8), 0, 2000, coded, 32,
        0,
    )  # fmt: skip
    yield Case(
        "code_categories",
        lambda: (binning.code_categories(*given), coded.copy()),
        lambda: (kernels["code_categories"](*given), coded.copy()),
    )


def level_cases(kernels: dict[str, Any]) -> Iterator[Case]:
    rng = np.random.default_rng(4)
    depths = np.full(300, 6)
    features = rng.integers(0, 30, 1800)
    thresholds = rng.normal(size=1800).astype(np.float32)
    for width in (1, 3):
        for dtype in (np.float32, np.float64):
            rows = rng.normal(size=(2000, 30)).astype(dtype)
            values = rng.normal(size=300 * 64 * width)
            missing, out = np.zeros(30, np.float32), np.zeros((2000, width))
            given = (rows, missing, depths, features, thresholds, values, width, 0, 2000)
            room = (np.empty(30 * 256, np.float32), np.empty(width * 256))

            def run(call: Callable[..., Any], *arguments: Any) -> np.ndarray:
                arguments[-1][...] = 0.0
                call(*arguments)
                return np.asarray(arguments[-1])

            yield Case(
                f"sum_levels {rows.dtype}, {width} numbers",
                lambda a=(*given, out): run(old("symmetric").sum_levels, *a),
                lambda a=(*given, *room, out): run(kernels["sum_levels"], *a),
            )
    links, table_exp = old("booster_links"), old("table_exp")
    for count in (1, 2000):
        sums = rng.normal(size=(count, 3))

        def fresh(call: Callable[..., Any], given: np.ndarray, *more: Any) -> np.ndarray:
            given = given.copy()
            call(given, *more)
            return given

        for name, more in (
            ("exponential", ()),
            ("log_one_plus_exp", ()),
            ("logistic", (1.5,)),
            ("normalized_exponentials", ()),
            ("exponential32", ()),
            ("logistic32", ()),
            ("normalized_exponentials32", ()),
            ("log_odds32", ()),
            ("logarithm32", ()),
        ):
            given_ = np.abs(sums) / 9 if name.startswith("log") else sums
            given_ = given_.astype(np.float32 if "32" in name else np.float64)
            given_ = given_ if name.startswith("normal") else given_.reshape(-1)
            before = getattr(links, "exponential" if name == "exponential32" else name)
            yield Case(
                f"{name}, {count} rows",
                lambda b=before, g=given_, m=more: fresh(b, g, *m),
                lambda n=name, g=given_, m=more: fresh(kernels[n], g, *m),
            )
        flat = sums.reshape(-1)
        yield Case(
            f"table_exponential, {count} rows",
            lambda g=flat: fresh(table_exp.table_exponential, g, table_exp.TABLE),
            lambda g=flat: fresh(kernels["table_exponential"], g, table_exp.TABLE),
        )
        yield Case(
            f"table_shares, {count} rows",
            lambda g=sums: fresh(table_exp.table_shares, g, table_exp.TABLE),
            lambda g=sums: fresh(kernels["table_shares"], g, table_exp.TABLE),
        )
