"""Histogram gradient boosting: float64 thresholds, missing values, categories."""

from __future__ import annotations

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
from ml.quantization.families.forest.coding import (
    Coding,
    is_undecided,
    known_categories,
    make_coding,
    read_encoder,
)
from ml.quantization.families.forest.losses import inverse_link, link_of, probabilities
from ml.quantization.graph import Array
from ml.quantization.kernels import binning, single_row, tree_sum
from ml.quantization.kernels.binning import GROUP
from ml.quantization.kernels.tree_sum import Leaves, TreeSum


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
        self.encoder = read_encoder(component)
        self.known = known_categories(component)
        self._held: Leaves | None = None
        self.gaps = False  # whether a row with missing values has been seen

    @cached_property
    def coding(self) -> Coding:
        """The coding of rows."""
        leaves, coding = self._decode()
        self._held = leaves
        return coding

    @cached_property
    def sums(self) -> TreeSum:
        """The trees, laid out."""
        width, most = self.coding.width, self.forest.most_leaves
        return TreeSum(self._leaves, self.outputs, width, most)

    def _leaves(self) -> Leaves:
        """The trees over the coded columns; those that came with the coding only once."""
        held, self._held = self._held, None
        return held if held is not None else self._decode()[0]

    def _decode(self) -> tuple[Leaves, Coding]:
        trees = self.forest.decode()
        coding, shape = make_coding(trees, self.known)
        return Leaves(shape, trees.ids, trees.rows), coding

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
        state = single_row.answer_one_coded(
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
        if state == single_row.MISSING:
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


def lower_histogram(component: Component) -> Lowered | None:
    """The fast predictor of histogram boosting; None for categories that are not numbers."""
    link = link_of(component.get("_loss"))
    if link is None or is_undecided(component):
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
