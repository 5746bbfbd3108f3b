"""Boosted trees that compare float64 and look categories up: rows coded first, leaves added up."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.forest.predictors.packed_forest import one_row
from model_quantization.families.forest.predictors.row_codes import Coding, make_coding
from model_quantization.kernels.trees import binning, single_row, tree_sum
from model_quantization.kernels.trees.grouping import GROUP
from model_quantization.kernels.trees.pooled import PooledTrees
from model_quantization.kernels.trees.tree_sum import Leaves, TreeSum
from model_quantization.locks import cached_property


class CodedTrees:
    """Sums of leaves over trees, for rows of float64.

    Parameters
    ----------
    decode : callable
        Gives the trees, decoded anew if need be.
    known : mapping of int to ndarray
        Feature that is looked up -> the categories that training saw.
    outputs : int
        Trees of one boosting iteration.
    most_leaves : int
        Of any tree.
    """

    def __init__(
        self,
        decode: Callable[[], PooledTrees],
        known: Mapping[int, Array],
        outputs: int,
        most_leaves: int,
    ) -> None:
        self.decode = decode
        self.known = known
        self.outputs = outputs
        self.most_leaves = most_leaves
        self._decoded: Leaves | None = None
        self.gaps = False  # whether a row with missing values has been seen

    @cached_property
    def coding(self) -> Coding:
        """The coding of rows."""
        leaves, coding = self._decode()
        self._decoded = leaves
        return coding

    @cached_property
    def grids(self) -> binning.GridTables:
        """What finds the codes of many rows sooner."""
        coding = self.coding
        return binning.grid_tables(coding.table, coding.sizes, coding.starts)

    @cached_property
    def sums(self) -> TreeSum:
        """The trees, laid out."""
        return TreeSum(self._leaves, self.outputs, self.coding.width, self.most_leaves)

    def _leaves(self) -> Leaves:
        """The trees over the coded columns; those decoded with the coding are given once."""
        decoded, self._decoded = self._decoded, None
        return decoded if decoded is not None else self._decode()[0]

    def _decode(self) -> tuple[Leaves, Coding]:
        trees = self.decode()
        coding, shape = make_coding(trees, self.known)
        return Leaves(shape, trees.ids, trees.rows), coding

    def add(self, rows: Array, out: Array, jobs: int) -> bool:
        """Add each row's leaves to `out`, float64 (n, outputs); False for rows that are refused."""
        one = len(rows) == 1 and not len(self.coding.category_columns)
        if one and self._answer_one(rows, out):
            return True
        coded = self._code(tree_sum.as_rows(rows, np.float64), jobs)
        if coded is None:
            return False
        groups, doubled = coded
        return self.sums.add(groups, len(rows), out, doubled=doubled, threads=jobs)

    def _answer_one(self, rows: Array, out: Array) -> bool:
        """Add one row's leaves to `out`; False where trees or row do not fit."""
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
            out,
        )
        if state == single_row.MISSING:
            # If one row has gaps, others will: from now on the nodes that treat them are used.
            self.gaps = True
            return self._answer_one(rows, out)
        return state == single_row.ANSWERED

    def _code(self, rows: Array, jobs: int) -> tuple[Array, bool] | None:
        """The rows coded, in groups of eight, and whether they are doubled for NaN."""
        coding, grids, doubled = self.coding, self.grids, self.gaps
        n, n_features = rows.shape
        columns = coding.width * (2 if doubled else 1)
        out = np.zeros((-(-n // GROUP), columns, GROUP), dtype=np.float32)
        missing: list[bool] = []
        good: list[bool] = []

        def work(first: int, last: int) -> None:
            missing.append(
                binning.code_rows(
                    rows,
                    n_features,
                    coding.columns,
                    coding.table,
                    coding.starts,
                    coding.pivots,
                    *grids,
                    first,
                    last,
                    out,
                    coding.width,
                    doubled,
                )
            )
            if len(coding.category_columns):
                good.append(
                    binning.code_categories(
                        rows,
                        n_features,
                        coding.category_columns,
                        coding.left,
                        coding.known,
                        coding.missing_left,
                        first,
                        last,
                        out,
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
