"""Each compiled kernel against the same kernel in numba: ratios of thread CPU time, in one process.

    python -m benchmarks.kernels --before DIRECTORY

`DIRECTORY` is a checkout of the last commit whose kernels were numba's and lay in
`ml/quantization`; they are imported from there, and numba must be installed. Calls alternate;
medians are compared, and results must be equal bit for bit.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from model_quantization.kernels.compiled import compiled_kernels, instruction_set

ROUNDS = 41
LEAST_SECONDS = 2e-4  # of a timed stretch: short calls are repeated


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
    """A forest as the old package holds it."""
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
    small = random_forest(100, 31, 20)
    for dtype in (np.uint32, np.uint64):
        masks = np.empty(small.feature.size, dtype)
        parts = (small.split, small.sizes, small.right, masks)
        yield Case(
            f"clear_masks {masks.dtype}",
            lambda p=parts, m=masks: (old("quickscorer").clear_masks(*p), m.copy())[1],
            lambda p=parts, m=masks: (kernels["clear_masks"](*p), m.copy())[1],
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
            held = (
                shape.split, shape.sizes, shape.right, shape.feature, shape.threshold,
                np.arange(n_leaves, dtype=np.uint32), row,
                rng.normal(size=(n_leaves, width)), 1, 3.0,
            )  # fmt: skip
            yield Case(
                f"answer_first, {label}",
                lambda h=held, out=out: zeroed(lambda: old("first_row").answer_first(*h, out), out),
                lambda h=held, out=out: zeroed(lambda: kernels["answer_first"](*h, out), out),
            )
        groups, _, _ = old("tree_sum").grouped(rows)
        flat = groups.reshape(-1)
        block = old("tree_sum").block_rows(30, nodes.words.nbytes)
        many = np.zeros(2000 * width, dtype)
        found = np.empty(block, np.uint32)
        yield Case(
            f"sum_block, {label}",
            lambda a=(*forest, flat, 30, 0, 2000, block, nodes.shift, *leaf, many), out=many: (
                zeroed(lambda: old("leaf_sums").sum_block(*a), out)
            ),
            lambda a=(*forest, flat, 30, 0, 2000, nodes.shift, *leaf, found, many), out=many: (
                zeroed(lambda: kernels["sum_block"](*a), out)
            ),
        )
        if leaves <= 64:
            mask_type = np.uint32 if leaves <= 32 else np.uint64
            masks = np.empty(shape.feature.size, mask_type)
            old("quickscorer").clear_masks(shape.split, shape.sizes, shape.right, masks)
            splits = np.arange(n_trees + 1) * (leaves - 1)
            payload = np.arange(n_leaves, dtype=np.uint32)
            masked = (
                shape.feature.astype(np.int32), shape.threshold, masks, splits,
                splits + np.arange(n_trees + 1), flat, 30, 0, 2000, payload, table.values, *leaf,
            )  # fmt: skip
            room = (np.empty(30 * 256, np.float32), np.empty(256, dtype))
            yield Case(
                f"sum_masked, {label}",
                lambda m=masked, out=many: zeroed(
                    lambda: old("quickscorer").sum_masked(*m, out), out
                ),
                lambda m=masked, r=room, out=many: zeroed(
                    lambda: kernels["sum_masked"](*m, *r, out), out
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
            given = (
                rows[:count].reshape(-1),
                30,
                np.arange(30),
                *edges,
                0,
                count,
                coded,
                30,
                False,
            )
            yield Case(
                f"code_rows {size} edges, {count} rows",
                lambda g=given: (binning.code_rows(*g), g[8].copy()),
                lambda g=given: (kernels["code_rows"](*g), g[8].copy()),
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


@dataclass(frozen=True)
class Earlier:
    """How numba's kernel of the same name is called with the arguments of ours.

    Attributes
    ----------
    module : str
        Where it is.
    scratch : int
        Last arguments before the results that it makes itself: ours are given them, and making
        them is part of the call that is timed.
    arguments : callable, optional
        Ours to its own.
    """

    module: str
    scratch: tuple[int, ...] = ()
    arguments: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None = None


def _listed(given: tuple[Any, ...]) -> tuple[Any, ...]:
    from model_quantization.kernels.text.term_values import entry_of

    indices, values, rows, starts, entries, layout, scale, out = given
    return indices, values, rows, starts, entries.view(entry_of(layout)), scale, out


def _with_entries(given: tuple[Any, ...], weights: int, size: int) -> tuple[Any, ...]:
    kind = np.dtype([("channel", f"u{given[size]}"), ("weight", given[weights].dtype)])
    return (*given[:size], *given[size + 1 : -1], given[-1].view(kind))


EARLIER = {
    "longest": Earlier("term_counts"),
    "largest": Earlier("term_values"),
    "weigh": Earlier("term_values"),
    "normalize_rows": Earlier("term_values"),
    "keep_above": Earlier("term_values"),
    "accumulate": Earlier("term_values"),
    "accumulate_listed": Earlier("term_values", arguments=_listed),
    "list_weights": Earlier("term_values", arguments=lambda given: _with_entries(given, 0, 1)),
    "list_codes": Earlier("term_values", arguments=lambda given: _with_entries(given, 1, 4)),
    "count_terms": Earlier("term_counts", scratch=(13, 14)),
    "count_hashed": Earlier("hash_counts", scratch=(10, 11, 12, 13)),
    "word_ids": Earlier("symbol_ids"),
    "token_ids": Earlier("symbol_ids"),
    "character_ids": Earlier("symbol_ids"),
    "join_symbols": Earlier("term_tree"),
    "mark": Earlier("term_tree"),
    "rank_symbols": Earlier("term_tree", scratch=(2,)),
    "place_children": Earlier("term_tree", scratch=(5, 6)),
    "number_terms": Earlier("term_tree", scratch=(4,)),
    "fill_table": Earlier("term_tree"),
}


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


def recorded_calls(kernels: dict[str, Any]) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """What models of text call, as (occasion, kernel, copies of the arguments before the call)."""
    from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import BernoulliNB
    from sklearn.pipeline import make_pipeline

    plain = dict(kernels)
    held: dict[tuple[str, str, str], tuple[int, tuple[Any, ...]]] = {}
    occasion = [""]

    def recording(name: str) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            arrays = [each for each in given if isinstance(each, np.ndarray)]
            size = sum(each.nbytes for each in arrays)
            key = (name, occasion[0], "".join(each.dtype.char for each in arrays))
            if key not in held or held[key][0] < size:
                copies = (np.copy(x) if isinstance(x, np.ndarray) else x for x in given)
                held[key] = (size, tuple(copies))
            return plain[name](*given)

        return call

    for name in EARLIER:
        kernels[name] = recording(name)  # before the modules are imported that ask for them
    from model_quantization.api.quantizer import ModelQuantizer
    from model_quantization.predictor.opening import load

    rng = np.random.default_rng(6)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(rng.choice(letters, rng.integers(3, 10))) for _ in range(8000)]
    share = 1.0 / np.arange(1, len(words) + 1)
    texts = [" ".join(rng.choice(words, 30, p=share / share.sum())) for _ in range(2000)]
    labels = rng.integers(0, 4, len(texts))
    linear = LogisticRegression(max_iter=20)
    # Few labels for many words make sparse weights, which are listed.
    sparse = LogisticRegression(C=0.05, solver="liblinear", penalty="l1", max_iter=20)
    models = {
        "words": make_pipeline(TfidfVectorizer(sublinear_tf=True), linear),
        "pairs": make_pipeline(CountVectorizer(ngram_range=(1, 2)), linear),
        "stop words": make_pipeline(TfidfVectorizer(stop_words=words[:50], norm="l1"), linear),
        "own tokens": make_pipeline(TfidfVectorizer(token_pattern=r"[a-z]+"), linear),
        "characters": make_pipeline(TfidfVectorizer(analyzer="char", ngram_range=(2, 3)), linear),
        "inside words": make_pipeline(
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), dtype=np.float32), linear
        ),
        "hashed": make_pipeline(HashingVectorizer(n_features=4096), linear),
        "hashed characters": make_pipeline(
            HashingVectorizer(analyzer="char_wb", ngram_range=(2, 3), n_features=4096), linear
        ),
        "bernoulli": make_pipeline(TfidfVectorizer(), BernoulliNB(binarize=0.05)),
        "sparse": make_pipeline(TfidfVectorizer(), sparse),
    }
    for label, model in models.items():
        target = labels > 1 if label == "sparse" else labels
        for bits in (8, 16):
            quantized, _ = ModelQuantizer(bit_depth=bits).quantize_model(model.fit(texts, target))
            occasion[0] = f"{label}, load"
            loaded = load(bytes(quantized.artifact.data))
            for count, said in ((1, "one document"), (1000, "1,000 documents")):
                occasion[0] = f"{label}, {said}"
                loaded.predict(texts[:count])
    kernels.update(plain)
    for (name, when, _), (_, given) in sorted(held.items(), key=lambda item: item[0]):
        if when:
            yield when, name, given


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
