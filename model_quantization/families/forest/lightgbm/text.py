"""LightGBM's model text, read into pooled trees; `writing` writes it.

The text is that of LightGBM's `src/io/tree.cpp` and `src/boosting/gbdt_model_text.cpp` (versions
3 and 4 of the text). Rows are compared in float64, `x <= threshold` goes left.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import NoReturn

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import UnsupportedComponent
from model_quantization.families.forest.trees.booster_trees import NodeTable, pool_nodes
from model_quantization.kernels.trees.pooled import PooledTrees
from model_quantization.kernels.trees.topology import tree_starts
from model_quantization.values import Value

# LightGBM takes |x| up to here for 0: it gets rows as pairs, without such values.
ZERO = float(np.float32(1e-35))
CATEGORIES = 256  # of a feature; the kernels know no more
WORDS = CATEGORIES // 32

CATEGORICAL, DEFAULT_LEFT = 1, 2  # bits of a decision type
_MISSING_ZERO, MISSING_NAN = 1, 2  # above them; 0: training saw nothing missing
_VERSIONS = (b"v3", b"v4")
_OBJECTIVE = re.compile(
    r"(?P<name>regression(?P<sqrt> sqrt)?|regression_l1|huber|fair|poisson|quantile|mape|gamma|"
    r"tweedie|binary|multiclass|multiclassova|cross_entropy|cross_entropy_lambda|lambdarank|"
    r"rank_xendcg)(?P<options>( [a-z_]+:[-+0-9.einfa]+)*)"
)


class Objective(Value, frozen=True):
    """The objective of a model: how its sums become answers.

    Attributes
    ----------
    name : str
        As LightGBM calls it.
    sqrt : bool
        The model was fitted to square roots.
    sigmoid : float
        Slope of the logistic function.
    """

    name: str
    sqrt: bool
    sigmoid: float


class LightGBMText(Value, frozen=True):
    """A model's text.

    Attributes
    ----------
    trees : PooledTrees
    n_features, outputs : int
        Columns of a row; trees of one iteration.
    objective : str
        As the text has it: `parse_objective` reads it.
    averaged : bool
        Whether answers are means over iterations.
    names : list of str
        Of the features.
    gains : float64, shape (n_nodes,)
        Of splits, in the text's own order.
    features : int64, shape (n_nodes,)
    sizes : int64, shape (n_trees,)
        Splits of each tree in that order.
    """

    trees: PooledTrees
    n_features: int
    outputs: int
    objective: str
    averaged: bool
    names: list[str]
    gains: Array
    features: Array
    sizes: Array

    def importances(self, kind: str, n_trees: int) -> Array:
        """The value of `feature_importances_`: splits per feature, or their total gain."""
        end = int(self.sizes[:n_trees].sum())
        features, gains = self.features[:end], self.gains[:end]
        used = gains > 0
        # The library holds gains as float32, and adds them up in float64.
        gains = gains.astype(np.float32).astype(np.float64)
        if kind == "split":
            return np.bincount(features[used], minlength=self.n_features).astype(np.int32)
        return np.bincount(features[used], weights=gains[used], minlength=self.n_features)


def parse_objective(text: str) -> Objective | None:
    """The objective of a model; None for an unknown one."""
    found = _OBJECTIVE.fullmatch(text)
    if found is None:
        return None
    options = dict(option.split(":", 1) for option in found["options"].split())
    try:
        sigmoid = float(options.get("sigmoid", 1.0))
    except ValueError:
        return None
    return Objective(found["name"].removesuffix(" sqrt"), bool(found["sqrt"]), sigmoid)


def read_text(text: bytes) -> LightGBMText:
    """The model of a text.

    Raises
    ------
    UnsupportedComponent
        It says what pooled trees cannot, or is not well-formed; the message has the reason.
    """
    head, _, body = text.partition(b"\n\n")
    header = _fields(head)
    if header.get(b"version") not in _VERSIONS:
        _refuse(f"its text is of version {header.get(b'version', b'?').decode(errors='replace')}")
    outputs = _number(header, b"num_tree_per_iteration")
    n_features = _number(header, b"max_feature_idx") + 1
    if outputs < 1 or n_features < 1 or _number(header, b"num_class") != outputs:
        _refuse("its classes are not one tree each")
    objective = header.get(b"objective", b"").decode(errors="replace")
    if not objective:
        _refuse("its objective is a function of the user")
    if parse_objective(objective) is None:
        _refuse(f"its objective is {objective!r}")
    names = header.get(b"feature_names", b"").decode(errors="replace").split(" ")
    if len(names) != n_features:
        _refuse("a feature has no name, or one with spaces")
    trees = _Trees.of(body.partition(b"\nend of trees")[0])
    if not len(trees.leaves) or len(trees.leaves) % outputs:
        _refuse("its trees are not whole iterations")
    return LightGBMText(
        # No public method of its estimators gives the numbers of leaves, so preorder serves.
        replace(trees.pooled(n_features), order=None),
        n_features,
        outputs,
        objective,
        b"average_output" in head.split(b"\n"),
        names,
        trees.numbers(b"split_gain", trees.splits),
        trees.numbers(b"split_feature", trees.splits).astype(np.int64),
        trees.splits,
    )


class _Trees(Value, frozen=True):
    """The fields of each tree; `leaves`: how many each has."""

    fields: list[dict[bytes, bytes]]
    leaves: Array

    @classmethod
    def of(cls, body: bytes) -> _Trees:
        blocks = (b"\n" + body).split(b"\nTree=")[1:]
        fields = [_fields(block) for block in blocks]
        return cls(fields, np.array([_number(tree, b"num_leaves") for tree in fields], np.int64))

    @property
    def splits(self) -> Array:
        return self.leaves - 1

    def numbers(self, key: bytes, counts: Array) -> Array:
        """The numbers under a key, `counts[t]` of tree t: float64."""
        found: list[bytes] = []
        for tree, count in zip(self.fields, counts.tolist(), strict=True):
            values = tree.get(key, b"").split() if count else []
            if len(values) != count:
                _refuse(f"{key.decode()} has {len(values)} numbers for {count}")
            found += values
        try:
            return np.array(found, dtype=np.float64)
        except ValueError:
            _refuse(f"{key.decode()} has something else than numbers")

    def pooled(self, n_features: int) -> PooledTrees:
        if any(tree.get(b"is_linear", b"0") != b"0" for tree in self.fields):
            _refuse("its leaves are linear models")
        if (self.leaves < 1).any():
            _refuse("a tree has no leaves")
        decision = self.numbers(b"decision_type", self.splits).astype(np.int64)
        categorical = decision & CATEGORICAL != 0
        missing = decision >> 2 & 3
        if (missing[~categorical] == _MISSING_ZERO).any():
            _refuse("zeros are missing values to it")
        threshold = self.numbers(b"threshold", self.splits)
        # A missing value is 0 where training saw none missing; NaN is no category.
        goes_left = np.where(missing == MISSING_NAN, decision & DEFAULT_LEFT != 0, threshold >= 0.0)
        sizes = 2 * self.leaves - 1
        starts = tree_starts(sizes)
        inner = _positions(starts, self.splits)
        table = NodeTable(
            sizes,
            np.full(starts[-1], -1),
            np.full(starts[-1], -1),
            np.zeros(starts[-1]),
            np.zeros(starts[-1]),
            np.zeros(starts[-1], dtype=bool),
            np.zeros(starts[-1]),
        )
        for side, key in ((table.left, b"left_child"), (table.right, b"right_child")):
            child = self.numbers(key, self.splits).astype(np.int64)
            # Leaves are numbered from -1 downwards; here after the splits of their tree.
            side[inner] = np.where(child >= 0, child, np.repeat(self.splits, self.splits) + ~child)
        table.feature[inner] = self.numbers(b"split_feature", self.splits)
        table.threshold[inner] = np.where(categorical, 0.0, beyond_zero(threshold))
        table.missing_left[inner] = goes_left & ~categorical
        leaf = np.ones(starts[-1], dtype=bool)
        leaf[inner] = False
        table.value[leaf] = self.numbers(b"leaf_value", self.leaves)
        if not categorical.any():
            return pool_nodes(table, n_features)
        lookup = np.zeros(starts[-1], dtype=bool)
        lookup[inner] = categorical
        bitsets = np.zeros((starts[-1], WORDS), dtype=np.uint32)
        bitsets[lookup] = self._bitsets(threshold, categorical)
        return pool_nodes(table, n_features, lookup, bitsets)

    def _bitsets(self, threshold: Array, categorical: Array) -> Array:
        """The categories that go left at each categorical split, in the text's order."""
        found = []
        edges = np.cumsum(self.splits)[:-1]
        parts = zip(np.split(threshold, edges), np.split(categorical, edges), strict=True)
        for tree, (numbers, flags) in zip(self.fields, parts, strict=True):
            bounds = [int(word) for word in tree.get(b"cat_boundaries", b"").split()]
            words = [int(word) for word in tree.get(b"cat_threshold", b"").split()]
            spans = list(pairwise(bounds))
            for number in numbers[flags].astype(np.int64).tolist():
                if not 0 <= number < len(spans):
                    _refuse("a split looks at categories that there are not")
                bits = words[spans[number][0] : spans[number][1]]
                if any(bits[WORDS:]) or any(not 0 <= word < 1 << 32 for word in bits):
                    _refuse(f"a feature has categories from {CATEGORIES} on")
                found.append((bits + [0] * WORDS)[:WORDS])
        return np.array(found, dtype=np.uint32).reshape(-1, WORDS)


def beyond_zero(threshold: Array) -> Array:
    """Thresholds that send a row as it is where these send it once tiny values are 0 (`ZERO`)."""
    moved = np.where((threshold >= 0.0) & (threshold < ZERO), ZERO, threshold)
    return np.where((moved < 0.0) & (moved >= -ZERO), np.nextafter(-ZERO, -np.inf), moved)


def _positions(starts: Array, counts: Array) -> Array:
    """The first `counts[t]` positions from `starts[t]` on, for each t."""
    first = np.repeat(starts[:-1] - (np.cumsum(counts) - counts), counts)
    return np.asarray(first + np.arange(int(counts.sum())))


def _fields(lines: bytes) -> dict[bytes, bytes]:
    pairs = (line.partition(b"=") for line in lines.split(b"\n"))
    return {key: value for key, sign, value in pairs if sign}


def _number(fields: dict[bytes, bytes], key: bytes) -> int:
    value = fields.get(key, b"")
    if not value.isdigit() or len(value) > 9:
        _refuse(f"it has no number {key.decode()}")
    return int(value)


def _refuse(why: str) -> NoReturn:
    raise UnsupportedComponent(why)
