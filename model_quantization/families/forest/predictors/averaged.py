"""Single trees, forests and bagged trees: the mean of leaf rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component
from model_quantization.families.forest import kinds
from model_quantization.families.forest.kinds import KINDS
from model_quantization.families.forest.predictors.packed_forest import (
    Jobs,
    PackedForest,
    add_leaves,
    float_rows,
    leaf_numbers,
    threads,
)
from model_quantization.families.forms import Columns, Text
from model_quantization.families.lowered import Lowered, Method, NotFast
from model_quantization.kernels.tables.categories import Entries
from model_quantization.kernels.trees import tree_sum
from model_quantization.kernels.trees.leaf_sums import keeps_zeros
from model_quantization.kernels.trees.tree_layout import Nodes, lay_out
from model_quantization.kernels.trees.tree_sum import TreeSum
from model_quantization.locks import cached_property


class AveragedTrees:
    """Answers of trees whose leaf rows are averaged, added up in tree order."""

    def __init__(self, component: Component) -> None:
        self.forest = PackedForest(component)
        self.component = component
        self.single = KINDS[component.type].container == "single"
        self.classes: list[Array] = []
        if self.forest.owner in kinds.CLASSIFIER_TREES:
            classes = component["classes_"]
            self.classes = [classes] if self.forest.n_outputs == 1 else list(classes)

    @cached_property
    def sums(self) -> TreeSum:
        """The trees, laid out."""
        forest = self.forest
        return TreeSum(forest.leaves, 1, forest.n_features, forest.most_leaves)

    @cached_property
    def start(self) -> Array:
        """What leaf rows are added to: shape (1, width)."""
        # The value of a single tree is not added to zero, so that -0.0 stays -0.0.
        lone_value = self.single and self.forest.owner in kinds.REGRESSOR_TREES
        signed = lone_value and keeps_zeros(self.forest.leaves().rows)
        return np.full((1, self.forest.width), -0.0 if signed else 0.0)

    def mean(self, rows: Array, n_jobs: Jobs) -> Array | None:
        """The mean leaf row: shape (n, n_outputs * most classes)."""
        return add_leaves(
            self.sums,
            rows,
            self.start,
            float(self.forest.n_trees),
            nan_allowed=self.forest.nan_allowed,
            jobs=threads(n_jobs, self.component),
        )

    def fractions(self, rows: Array, n_jobs: Jobs) -> list[Array] | None:
        """Class fractions, one array per output."""
        mean = self.mean(rows, n_jobs)
        if mean is None:
            return None
        if len(self.classes) == 1:
            return [mean]
        grouped = mean.reshape(len(mean), self.forest.n_outputs, -1)
        return [
            np.ascontiguousarray(grouped[:, k, :count])
            for k, count in enumerate(self.forest.n_classes)
        ]

    def predict_proba(self, rows: Array, n_jobs: Jobs = None) -> Any:
        """Class fractions: an array, or a list of one array per output."""
        found = self.fractions(rows, n_jobs)
        return found[0] if found is not None and len(found) == 1 else found

    def predict_log_proba(self, rows: Array, n_jobs: Jobs = None) -> Any:
        """Their logarithms."""
        found = self.fractions(rows, n_jobs)
        if found is None:
            return None
        logs = [np.log(one) for one in found]
        return logs[0] if len(logs) == 1 else logs

    @cached_property
    def laid_out(self) -> tuple[Nodes | None, Array]:
        """The trees, each leaf with the number of its row, and those rows."""
        leaves = self.forest.leaves()
        nodes = lay_out(leaves.shape, leaves.payload, self.forest.n_features, doubled=False)
        return nodes, leaves.rows

    def sum_of_logarithms(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The logarithm of the mean fractions, added up in logarithms as bagging does it."""
        prepared = float_rows(rows, nan_allowed=False)  # the estimator answers for missing values
        nodes, fractions = self.laid_out
        if prepared is None or nodes is None:
            return None
        jobs = threads(n_jobs, self.component)
        reached = tree_sum.payloads(nodes, prepared[0], len(rows), jobs)
        total = np.full((len(rows), fractions.shape[1]), -np.inf)
        for places in reached.T:
            total = np.logaddexp(total, np.log(fractions[places]))
        total -= np.log(self.forest.n_trees)
        return total

    def predict_class(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The class with the largest fraction; of equal ones the first."""
        found = self.fractions(rows, n_jobs)
        if found is None:
            return None
        if len(found) == 1:
            return np.asarray(self.classes[0].take(found[0].argmax(axis=1), axis=0))
        labels = np.empty((len(rows), len(found)), dtype=self.classes[0].dtype)
        for k, (classes, one) in enumerate(zip(self.classes, found, strict=True)):
            labels[:, k] = classes.take(one.argmax(axis=1), axis=0)
        return labels

    def predict_value(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The mean value."""
        mean = self.mean(rows, n_jobs)
        return mean if mean is None or mean.shape[1] > 1 else mean.reshape(-1)

    def apply(self, rows: Array, n_jobs: Jobs = None) -> Array | None:
        """The leaf of each row: (n,) for a single tree, otherwise (n, n_trees)."""
        leaves = leaf_numbers(self.forest, rows, threads(n_jobs, self.component))
        return leaves if leaves is None or not self.single else leaves.reshape(-1)


def lower_averaged(component: Component) -> Lowered | NotFast:
    """The fast predictor of a single tree, a forest or bagged trees."""
    bagged = "tree_columns" in component
    # Bagging in n jobs adds up n partial sums: only one job has an order to reproduce.
    if bagged and component.get("n_jobs") not in (None, 1):
        return NotFast("with `n_jobs` bagging adds up partial sums, one per job")
    trees = AveragedTrees(component)
    classifies = bool(trees.classes)
    if classifies and tuple(len(one) for one in trees.classes) != trees.forest.n_classes:
        return NotFast("its trees have other classes than it has")
    if bagged and component.get("n_estimators") != trees.forest.n_trees:
        return NotFast("it has other trees than it was made for")
    methods: dict[str, Method] = {} if bagged else {"apply": trees.apply}
    if classifies:
        methods["predict"] = trees.predict_class
        methods["predict_proba"] = trees.predict_proba
        methods["predict_log_proba"] = trees.predict_log_proba
        if bagged:
            methods["predict_log_proba"] = trees.sum_of_logarithms
    else:
        methods["predict"] = trees.predict_value
    return Lowered(
        methods,
        by="a tree" if trees.single else "the mean of the trees",
        names=(component.path,),
        n_features=trees.forest.n_features,
        classes=trees.classes[0] if len(trees.classes) == 1 else None,
        decides_by="predict_proba",
        sparse_as_dense=not bagged,
    )


def lower_embedding(component: Component) -> Lowered:
    """The leaves of a totally random embedding; for the model after it, one column per leaf."""
    trees = AveragedTrees(component)
    form = _ones_of_leaves(component, trees)
    methods: dict[str, Method] = {"apply": trees.apply}
    if form is not None:
        methods["transform"] = form.step.matrix
    return Lowered(
        methods,
        by="the leaves that a row reaches",
        names=(component.path,),
        n_features=trees.forest.n_features,
        form=form,
    )


def _ones_of_leaves(component: Component, trees: AveragedTrees) -> Text | None:
    """The embedding as sparse rows; None where its encoder has no fast form."""
    from model_quantization.kernels.tables.sparse_rows import SparseRows

    encoder = component.get("one_hot_encoder_")
    lowered = encoder.lower(True) if isinstance(encoder, Component) else None
    form = lowered.form if isinstance(lowered, Lowered) else None
    made = form.encoder if isinstance(form, Columns) else None
    if made is None or not component.get("sparse_output"):
        return None

    def entries(rows: Array) -> Entries | None:
        leaves = trees.apply(rows)
        return None if leaves is None else made.entries(list(leaves.T))

    return Text(SparseRows(made.n_columns, entries))
