"""Histogram gradient boosting: float64 thresholds, missing values, categories."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ml.quantization.families.family import Component, Lowered, Method
from ml.quantization.families.forest.answering import (
    Jobs,
    PackedForest,
    one_row,
    threads,
)
from ml.quantization.families.forest.losses import inverse_link, link_of, probabilities
from ml.quantization.graph import Array
from ml.quantization.kernels import binning, tree_sum
from ml.quantization.kernels.binning import GROUP
from ml.quantization.kernels.tree_pack import by_feature, rank_thresholds
from ml.quantization.kernels.tree_sum import Shape, TreeSum

CATEGORIES = 256


@dataclass(frozen=True, slots=True)
class Coding:
    """How float64 rows become float32 columns: see `binning`.

    Attributes
    ----------
    columns, table, starts, pivots
        Numerical features that are looked at, and their sorted thresholds: `binning.pad_table`.
    category_columns, left, known, missing_left
        One entry for each different categorical split.
    shape : Shape
        The trees over the coded columns.
    """

    columns: Array
    table: Array
    starts: Array
    pivots: Array
    category_columns: Array
    left: Array
    known: Array
    missing_left: Array
    shape: Shape

    @property
    def width(self) -> int:
        """Coded columns; at least one."""
        return max(1, len(self.columns) + len(self.category_columns))


class HistogramTrees:
    """Answers of `HistGradientBoosting*`."""

    def __init__(self, component: Component, link: str) -> None:
        self.forest = PackedForest(component)
        self.component = component
        self.link = link
        self.outputs = int(component["tree_outputs"])
        self.classes: Array = component.get("classes_")
        baseline = np.asarray(component["_baseline_prediction"], dtype=np.float64)
        self.start = np.zeros((1, self.outputs)) + baseline.reshape(1, -1)
        self.encoder = _encoder(component)
        self.gaps = False  # whether a row with missing values has been seen

    @cached_property
    def coding(self) -> Coding:
        """The coding of rows."""
        return _coding(self.forest, _known_categories(self.component))

    @cached_property
    def sums(self) -> TreeSum:
        """The trees, laid out."""
        trees, coding = self.forest.trees, self.coding
        return TreeSum(coding.shape, trees.ids, trees.rows, self.outputs, coding.width)

    def raw(self, rows: Array, n_jobs: Jobs) -> Array | None:
        """Raw sums: shape (n, trees of an iteration), in Fortran order as scikit-learn has them."""
        if self.encoder is not None:
            rows = self.encoder.encode(rows)
        out = np.empty((len(rows), self.outputs))
        out[...] = self.start
        if len(rows) == 1 and not len(self.coding.category_columns) and self._answer_one(rows, out):
            return out
        coded = self._code(np.array(rows, dtype=np.float64, order="C"), threads(n_jobs, _NO_JOBS))
        if coded is None:
            return None
        groups, doubled = coded
        jobs = threads(n_jobs, _NO_JOBS)
        if not self.sums.add(groups, len(rows), out, doubled=doubled, threads=jobs):
            return None
        return np.asfortranarray(out)

    def _answer_one(self, rows: Array, out: Array) -> bool:
        """Add one row's leaves to `out`; False where the trees do not fit."""
        sums, coding = self.sums, self.coding
        nodes = sums.gap_nodes if self.gaps else sums.nodes
        if nodes is None:
            return False
        state = tree_sum.answer_one_coded(
            nodes.words,
            nodes.starts,
            nodes.banks,
            nodes.bases,
            one_row(rows),
            coding.columns,
            coding.table,
            coding.starts,
            coding.pivots,
            coding.width,
            nodes.doubled,
            nodes.shift,
            sums.table.ends,
            sums.table.places,
            sums.table.values,
            sums.table.width,
            sums.cycle,
            out.reshape(-1),
        )
        if state == tree_sum.MISSING:
            # Where one row has gaps others will: from now on the nodes that know them are used.
            self.gaps = True
            return self._answer_one(rows, out)
        return True

    def _code(self, rows: Array, jobs: int) -> tuple[Array, bool] | None:
        """The rows coded, in groups of eight, and whether they are doubled for NaN."""
        coding, doubled = self.coding, self.gaps
        n, n_features = rows.shape
        columns = coding.width * (2 if doubled else 1)
        out = np.zeros((-(-n // GROUP), columns, GROUP), dtype=np.float32)
        flat, flat_out = rows.reshape(-1), out.reshape(-1)
        missing: list[bool] = []
        good: list[bool] = []

        def work(first: int, last: int) -> None:
            missing.append(
                binning.code_rows(
                    flat,
                    n_features,
                    coding.columns,
                    coding.table,
                    coding.starts,
                    coding.pivots,
                    first,
                    last,
                    flat_out,
                    coding.width,
                    doubled,
                )
            )
            if len(coding.category_columns):
                good.append(
                    binning.code_categories(
                        flat,
                        n_features,
                        coding.category_columns,
                        coding.left,
                        coding.known,
                        coding.missing_left,
                        first,
                        last,
                        flat_out,
                        columns * GROUP,
                        len(coding.columns),
                    )
                )

        tree_sum.over_rows(work, n, jobs)
        if not all(good):
            return None
        if any(missing) and not doubled:
            self.gaps = True
            return self._code(rows, jobs)
        return out, doubled

    def decision_function(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """Raw sums: (n,) for two classes."""
        raw = self.raw(rows, n_jobs)
        return raw.reshape(-1) if raw is not None and raw.shape[1] == 1 else raw

    def predict_value(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The predicted value."""
        raw = self.raw(rows, n_jobs)
        return None if raw is None else inverse_link(self.link)(raw.reshape(-1))

    def predict_class(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The class with the largest raw sum."""
        raw = self.raw(rows, n_jobs)
        if raw is None:
            return None
        at = (raw.reshape(-1) > 0).astype(int) if raw.shape[1] == 1 else raw.argmax(axis=1)
        return np.asarray(self.classes[at])

    def predict_proba(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """Class probabilities."""
        raw = self.raw(rows, n_jobs)
        return None if raw is None else probabilities(self.link, raw)


_NO_JOBS: Any = {}


class CategoryEncoder:
    """The columns as the model's own preprocessor arranges them: categories first, as codes."""

    def __init__(self, categorical: Array, categories: list[Array]) -> None:
        self.categorical = np.flatnonzero(categorical)
        self.numerical = np.flatnonzero(~categorical)
        self.categories = categories

    def encode(self, rows: Array) -> Array:
        """Float64 rows with codes for known categories and NaN for unknown and missing ones."""
        out = np.empty(rows.shape)
        for at, (column, known) in enumerate(zip(self.categorical, self.categories, strict=True)):
            values = rows[:, column].astype(np.float64)
            codes = np.searchsorted(known, values).clip(max=max(len(known) - 1, 0))
            seen = known[codes] == values if len(known) else np.zeros(len(rows), dtype=bool)
            out[:, at] = np.where(seen, codes, np.nan)
        out[:, len(self.categorical) :] = rows[:, self.numerical]
        return out


def lower_histogram(component: Component) -> Lowered | None:
    """The fast predictor of histogram boosting; None for categories that are not numbers."""
    link = link_of(component.get("_loss"))
    if link is None or _is_undecided(component):
        return None
    trees = HistogramTrees(component, link)
    methods: dict[str, Method]
    if "classes_" in component:
        methods = {
            "decision_function": trees.decision_function,
            "predict": trees.predict_class,
            "predict_proba": trees.predict_proba,
        }
    else:
        methods = {"predict": trees.predict_value}
    return Lowered(methods, n_features=trees.forest.n_features, names=(component.path,))


def _is_undecided(component: Component) -> bool:
    """Whether a preprocessor is there that `CategoryEncoder` cannot stand in for."""
    return component.get("_preprocessor") is not None and _encoder(component) is None


def _encoder(component: Component) -> CategoryEncoder | None:
    prepared = component.get("_preprocessor")
    flags = component.get("is_categorical_")
    if prepared is None or not isinstance(flags, np.ndarray):
        return None
    for step in prepared.get("transformers_", []):
        if step[0] == "encoder":
            categories = step[1].get("categories_")
            numbers = isinstance(categories, list) and all(
                isinstance(one, np.ndarray) and one.dtype.kind in "iuf" for one in categories
            )
            if not numbers or len(categories) != int(flags.sum()):
                return None
            known = [one.astype(np.float64) for one in categories]
            return CategoryEncoder(flags, [one[~np.isnan(one)] for one in known])
    return None


def _known_categories(component: Component) -> dict[int, Array]:
    """Feature -> the categories that training saw."""
    mapper = component["_bin_mapper"]
    flags = np.asarray(mapper["is_categorical_"])
    edges = mapper["bin_thresholds_"]
    return {int(at): np.asarray(edges[at]) for at in np.flatnonzero(flags)}


def _coding(forest: PackedForest, known: dict[int, Array]) -> Coding:
    trees = forest.trees
    feature = trees.feature
    categorical = (
        trees.categorical if trees.categorical is not None else np.zeros(feature.size, dtype=bool)
    )
    numeric = ~categorical
    columns, place = np.unique(feature[numeric], return_inverse=True)
    table, sizes, ranks = _tables(place.reshape(-1), trees.threshold[numeric], len(columns))
    coded_feature = np.empty(feature.size, dtype=np.int32)
    coded_threshold = np.full(feature.size, 0.5, dtype=np.float32)
    coded_feature[numeric] = place.reshape(-1)
    coded_threshold[numeric] = ranks
    key = np.zeros((int(categorical.sum()), 10), dtype=np.int64)
    if len(key) and trees.bitsets is not None:
        key[:, 0] = feature[categorical]
        key[:, 1] = trees.missing_left[categorical]
        key[:, 2:] = trees.bitsets
    distinct, which = np.unique(key, axis=0, return_inverse=True)
    coded_feature[categorical] = len(columns) + which.reshape(-1)
    bits = np.ascontiguousarray(distinct[:, 2:].astype("<u4")).view(np.uint8)
    seen = np.zeros((len(distinct), CATEGORIES), dtype=np.uint8)
    for row, at in enumerate(distinct[:, 0].tolist()):
        seen[row, known[at].astype(np.int64)] = 1
    return Coding(
        columns,
        *binning.pad_table(table, sizes),
        np.ascontiguousarray(distinct[:, 0]),
        np.unpackbits(bits, axis=1, bitorder="little").reshape(-1, CATEGORIES),
        seen,
        distinct[:, 1].astype(np.uint8),
        Shape(
            trees.split,
            trees.sizes,
            trees.right,
            trees.depth,
            coded_feature,
            coded_threshold,
            # A categorical column never holds NaN: where it goes is decided in coding.
            trees.missing_left & numeric,
        ),
    )


def _tables(place: Array, threshold: Array, count: int) -> tuple[Array, Array, Array]:
    """The sorted thresholds of all columns, how many each has, and each split's rank."""
    ranked = rank_thresholds(place, threshold.astype(np.float64), count, always=True)
    assert ranked is not None
    ranks = np.empty(place.size, dtype=np.float32)
    ranks[by_feature(place)] = ranked.ranks
    return np.array(ranked.table, dtype=np.float64), ranked.sizes.astype(np.int64), ranks
