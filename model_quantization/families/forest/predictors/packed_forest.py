"""A packed forest as the kernels take it, built at the first question."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import SemanticError
from model_quantization.families.family import Component
from model_quantization.families.forest import kinds
from model_quantization.families.forest.kinds import KINDS
from model_quantization.families.forest.stored.decoding import decode_parts
from model_quantization.families.forest.stored.parts import LEAF_PARTS, Layout, Parts
from model_quantization.kernels.trees import single_row, tree_sum
from model_quantization.kernels.trees.pooled import PooledTrees
from model_quantization.kernels.trees.tree_layout import Nodes, Shape, lay_out
from model_quantization.kernels.trees.tree_sum import Leaves, TreeSum
from model_quantization.locks import cached_property

Jobs: TypeAlias = int | None

PART_NAMES = (
    "tree_count",
    "tree_nodes",
    "tree_splits",
    "tree_features",
    "tree_thresholds",
    "tree_table_sizes",
    "tree_ranks",
    "tree_missing_left",
    *LEAF_PARTS,
    "tree_left",
    "tree_right_gap",
    "tree_categorical",
    "tree_bitsets",
)
# Criteria whose trees take NaN in every scikit-learn from 1.6 on.
NAN_CRITERIA = frozenset(
    {"gini", "log_loss", "entropy", "squared_error", "friedman_mse", "poisson"}
)


class PackedForest:
    """The trees of one component. Decoded trees are kept only until they are first laid out.

    Attributes
    ----------
    n_features : int
        Columns of the rows it is asked about.
    owner : str
        Class of the tree estimators.
    n_outputs : int
    n_classes : tuple of int
        One per output; 1 for regression.
    n_trees, most_leaves, width : int
        Number of trees, leaves of the largest, numbers in a leaf row.
    """

    def __init__(self, component: Component) -> None:
        kind = KINDS[component.type]
        self.component = component
        self.owner: str = component.get("tree_type", component.type)
        self.n_features = int(component["n_features_in_"])
        numbers = component.get("tree_make")
        own_features = int(numbers[0]) if numbers else self.n_features
        self.n_outputs = int(numbers[1]) if numbers else 1
        self.n_classes = tuple(int(number) for number in numbers[2:]) if numbers else (1,)
        width = {"value": self.n_outputs * max(self.n_classes), "path": 1, "none": 0}[kind.leaf]
        fractions = kind.leaf == "value" and self.owner in kinds.CLASSIFIER_TREES
        self._layout = Layout(own_features, width, self.n_outputs, fractions)
        self._decoded: PooledTrees | None = None
        trees = self.decode()
        self._decoded = trees
        self.n_trees = len(trees.sizes)
        self.most_leaves = (int(trees.sizes.max()) + 1) // 2
        self.width = width

    def decode(self) -> PooledTrees:
        """The trees, checked; those that were decoded first are given once."""
        decoded, self._decoded = self._decoded, None
        if decoded is not None:
            return decoded
        parts: Parts = {name: self.component[name] for name in PART_NAMES if name in self.component}
        return decode_parts(parts, self._layout, self.component.path)

    def check_sums(self, outputs: int) -> None:
        """Check that each tree has one number per leaf, and that outputs alternate tree by tree.

        Raises
        ------
        SemanticError
            The kernels would add to places that do not exist.
        """
        if self.width != 1 or outputs < 1 or self.n_trees % outputs:
            raise SemanticError(
                "trees that are not whole iterations of one number per leaf",
                where=f"{self.component.path}/tree_outputs".lstrip("/"),
                got=f"{self.n_trees} trees, {outputs} outputs, {self.width} numbers",
            )

    def setting(self, name: str) -> Any:
        """A hyper-parameter that all trees share."""
        shared = self.component.get("tree_shared")
        return shared.get(name) if isinstance(shared, dict) else self.component.get(name)

    def shape(self, trees: PooledTrees) -> Shape:
        """The trees with features counted in the columns of the rows, thresholds in float32."""
        return Shape(
            trees.split,
            trees.sizes,
            trees.right,
            self._columns(trees).astype(np.uint32, copy=False),
            np.asarray(trees.threshold, dtype=np.float32),
            trees.missing_left,
        )

    def leaves(self) -> Leaves:
        """The trees with their leaf rows as they are."""
        trees = self.decode()
        return Leaves(self.shape(trees), trees.ids, trees.rows)

    def _columns(self, trees: PooledTrees) -> Array:
        columns = self.component.get("tree_columns")
        if not isinstance(columns, np.ndarray) or self._sees_all():
            return trees.feature
        if (
            columns.ndim != 2
            or columns.dtype.kind != "u"
            or len(columns) != self.n_trees
            or int(trees.feature.max(initial=0)) >= columns.shape[1]
            or int(columns.max(initial=0)) >= self.n_features
        ):
            raise SemanticError(
                "the columns of the trees do not fit them",
                where=f"{self.component.path}/tree_columns".lstrip("/"),
                expected=f"columns below {self.n_features} for {self.n_trees} trees",
            )
        tree = np.repeat(np.arange(self.n_trees), trees.sizes // 2)
        return np.asarray(columns[tree, trees.feature])

    def _sees_all(self) -> bool:
        # An isolation forest over all features does not look its members' columns up.
        return self.component.get("_max_features") == self.n_features and (
            KINDS[self.component.type].leaf == "path"
        )

    @cached_property
    def leaf_nodes(self) -> Nodes | None:
        """The traversal that ends in the leaf's number within its tree."""
        return self._leaf_nodes(doubled=False)

    @cached_property
    def leaf_gap_nodes(self) -> Nodes | None:
        """The same for rows with missing values."""
        return self._leaf_nodes(doubled=True)

    def _leaf_nodes(self, *, doubled: bool) -> Nodes | None:
        trees = self.decode()
        return lay_out(self.shape(trees), trees.leaf_numbers, self.n_features, doubled=doubled)

    @cached_property
    def nan_allowed(self) -> bool:
        """Whether the trees certainly take NaN; otherwise scikit-learn is asked."""
        if KINDS[self.component.type].container == "booster":
            return True
        random = "ExtraTree" not in self.owner or self.setting("splitter") == "random"
        return (
            random
            and self.setting("criterion") in NAN_CRITERIA
            and self.setting("monotonic_cst") is None
        )


def float_rows(
    rows: Array, *, nan_allowed: bool, infinity_allowed: bool = False
) -> tuple[Array, bool] | None:
    """The rows in groups of eight, and whether they are doubled for NaN; None where refused."""
    groups, missing, infinite = tree_sum.grouped(rows)
    if (infinite and not infinity_allowed) or (missing and not nan_allowed):
        return None
    if missing:
        groups, _, _ = tree_sum.grouped(rows, doubled=True)
    return groups, missing


def one_row(rows: Array) -> Array:
    """A single row as the kernels take it: contiguous float64."""
    if rows.dtype == np.float64 and rows.flags.c_contiguous and rows.flags.aligned:
        return rows
    buffer = np.empty(rows.size)
    buffer[:] = rows[0]
    return buffer


def threads(asked: Jobs, component: Component) -> int:
    """The number of threads of `n_jobs`, by default the estimator's own."""
    jobs = asked if asked is not None else component.get("n_jobs")
    if not isinstance(jobs, int) or jobs == 0:
        return 1
    return jobs if jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + jobs)


def add_leaves(
    sums: TreeSum,
    rows: Array,
    start: Array,
    divisor: float,
    *,
    nan_allowed: bool,
    jobs: int,
    infinity_allowed: bool = False,
) -> Array | None:
    """`(start + sum of leaf rows) / divisor` for each row; None for rows that are refused.

    Parameters
    ----------
    rows : ndarray, shape (n, n_columns)
        Compared as float32.
    start : ndarray, shape (1, cycle * width)
        The start of the sum, in the type in which it is added up.
    """
    out = np.empty((len(rows), start.shape[1]), dtype=start.dtype)
    out[...] = start
    if len(rows) == 1 and _answer_one(sums, one_row(rows), divisor, out):
        return out
    prepared = float_rows(rows, nan_allowed=nan_allowed, infinity_allowed=infinity_allowed)
    if prepared is None:
        return None
    groups, doubled = prepared
    if not sums.add(groups, len(rows), out, doubled=doubled, threads=jobs):
        return None
    out /= divisor
    return out


def _answer_one(sums: TreeSum, row: Array, divisor: float, out: Array) -> bool:
    state = sums.first(row, divisor, out)
    nodes = sums.nodes if state is None else None
    if nodes is not None:
        state = single_row.answer_one(
            nodes.words,
            nodes.starts,
            nodes.banks,
            nodes.bases,
            row,
            nodes.shift,
            sums.table.ends,
            sums.table.places,
            sums.table.values,
            sums.table.width,
            sums.cycle,
            divisor,
            out,
        )
    return state == single_row.ANSWERED


def used_iterations(forest: PackedForest, trees: int) -> int:
    """The iterations, of so many trees each, that answer by default.

    Raises
    ------
    SemanticError
        More iterations than the trees make.
    """
    used = forest.component.get("booster_iterations")
    if type(used) is not int or trees < 1 or not 1 <= used <= forest.n_trees // trees:
        raise SemanticError(
            "iterations that do not exist",
            where=f"{forest.component.path}/booster_iterations".lstrip("/"),
            got=repr(used)[:40],
        )
    return used


def leaf_numbers(forest: PackedForest, rows: Array, jobs: int) -> Array | None:
    """The leaf of each row in each tree: int64 (n, n_trees); None for rows that are refused."""
    prepared = float_rows(rows, nan_allowed=forest.nan_allowed)
    if prepared is None:
        return None
    groups, doubled = prepared
    nodes = forest.leaf_gap_nodes if doubled else forest.leaf_nodes
    return None if nodes is None else tree_sum.payloads(nodes, groups, len(rows), jobs)
