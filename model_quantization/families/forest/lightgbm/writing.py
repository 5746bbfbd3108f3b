"""Pooled trees as a text that LightGBM reads, without the counts and gains of their nodes."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import SemanticError
from model_quantization.families.forest.lightgbm.text import (
    CATEGORICAL,
    DEFAULT_LEFT,
    MISSING_NAN,
    WORDS,
    parse_objective,
)
from model_quantization.kernels.trees.pooled import PooledTrees
from model_quantization.kernels.trees.topology import tree_starts

_NAME = re.compile(r'[^\s"\[\]{}:,]+')


def write_text(
    trees: PooledTrees, outputs: int, objective: str, averaged: bool, names: list[str]
) -> str:
    """A text that LightGBM reads, with the trees in preorder and without counts and gains.

    Raises
    ------
    SemanticError
        An objective or a name of a feature that no text has.
    """
    if parse_objective(objective) is None:
        raise SemanticError("not an objective of LightGBM", got=repr(objective)[:80])
    if not all(_NAME.fullmatch(name) for name in names):
        raise SemanticError("a name that no feature of LightGBM has", where="feature names")
    blocks = [f"Tree={number}\n{block}\n\n" for number, block in enumerate(_blocks(trees))]
    lines = [
        "tree",
        "version=v4",
        f"num_class={outputs}",
        f"num_tree_per_iteration={outputs}",
        "label_index=0",
        f"max_feature_idx={len(names) - 1}",
        f"objective={objective}",
        *(["average_output"] if averaged else []),
        f"feature_names={' '.join(names)}",
        f"feature_infos={' '.join(['none'] * len(names))}",
        f"tree_sizes={' '.join(str(len(block)) for block in blocks)}",
    ]
    return (
        "\n".join(lines)
        + "\n\n"
        + "".join(blocks)
        + "end of trees\n\nparameters:\nend of parameters\n"
    )


def _blocks(trees: PooledTrees) -> list[str]:
    starts = tree_starts(trees.sizes)
    split = trees.split == 1
    rank = np.where(split, np.cumsum(split) - 1, np.cumsum(~split) - 1)
    inner = np.flatnonzero(split)
    tree = np.repeat(np.arange(len(trees.sizes)), trees.sizes)
    first_split = rank_starts = np.concatenate([[0], np.cumsum(trees.sizes // 2)])
    first_leaf = np.concatenate([[0], np.cumsum((trees.sizes + 1) // 2)])
    base = np.where(split, first_split[tree], first_leaf[tree])
    number = np.where(split, rank - base, ~(rank - base))  # as a child is named
    left = number[inner + 1]
    right = number[starts[tree[inner]] + trees.right[inner]]
    lookup = trees.categorical if trees.categorical is not None else np.zeros(len(inner), bool)
    decision = np.where(
        lookup, CATEGORICAL, trees.missing_left() * DEFAULT_LEFT + (MISSING_NAN << 2)
    )
    threshold = trees.threshold.astype(np.float64)
    sets = np.concatenate([[0], np.cumsum(lookup)])
    values = trees.rows[trees.ids, 0]
    blocks = []
    for (a, b), (c, d) in zip(pairwise(rank_starts), pairwise(first_leaf), strict=True):
        own = lookup[a:b]
        limits = threshold[a:b].copy()
        limits[own] = np.arange(int(own.sum()))
        lines = [
            f"num_leaves={d - c}",
            f"num_cat={int(own.sum())}",
            f"split_feature={_joined(trees.feature[a:b])}",
            f"split_gain={_joined(np.ones(b - a, dtype=np.int64))}",
            f"threshold={_joined(limits)}",
            f"decision_type={_joined(decision[a:b])}",
            f"left_child={_joined(left[a:b])}",
            f"right_child={_joined(right[a:b])}",
            f"leaf_value={_joined(values[c:d])}",
        ]
        if own.any() and trees.bitsets is not None:
            words = trees.bitsets[sets[a] : sets[b]]
            lines.append(f"cat_boundaries={_joined(np.arange(len(words) + 1) * WORDS)}")
            lines.append(f"cat_threshold={_joined(words.reshape(-1))}")
        blocks.append("\n".join([*lines, "is_linear=0", "shrinkage=1"]))
    return blocks


def _joined(values: Array) -> str:
    return " ".join(map(repr, values.tolist()))
