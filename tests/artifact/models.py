"""Fitted models as files with each component's plain nodes, or packed, for tests that edit them."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np

from model_quantization.artifact.reader import Artifact, read_artifact
from model_quantization.artifact.writer import build_artifact
from model_quantization.estimators.capture import capture
from model_quantization.estimators.reachable import find_surfaces
from model_quantization.estimators.restore import restore
from model_quantization.graph.nodes import ModelGraph
from model_quantization.graph.traversal import array_paths, compact
from model_quantization.planning.encoding import encode
from model_quantization.planning.packing import prepare_graph
from model_quantization.planning.plan import make_plan
from model_quantization.schemes.recipe import recipe_for
from model_quantization.trust import TrustPolicy
from tests.artifact.forge import Forged
from tests.artifact.samples import HEADER


@cache
def rows() -> np.ndarray:
    """Rows with six columns."""
    return np.random.default_rng(2).normal(size=(60, 6))


def file_of(model: Any, *, packed: bool = False) -> bytes:
    """The exact artifact of a model."""
    graph = capture(model, TrustPolicy())
    graph = prepare_graph(graph).graph if packed else compact(graph, graph.root, graph.arrays)
    surfaces = {path: found.to_json() for path, found in find_surfaces(model).items()}
    description = {**HEADER["model"], "surfaces": surfaces}
    plan = make_plan(graph, recipe_for("exact"))
    return build_artifact(encode(plan), {**HEADER, "model": description})[0]


def array_at(data: bytes, path: str) -> tuple[int, np.ndarray]:
    """(number, writable values) of the array at a path of the model."""
    artifact = read_artifact(data)
    paths = array_paths(ModelGraph(artifact.root, ()))
    found = [index for index, where in paths.items() if where == path]
    if len(found) != 1:
        raise AssertionError(f"no array at {path}; there are {sorted(set(paths.values()))}")
    return found[0], artifact[found[0]].copy()


def with_array(data: bytes, path: str, values: np.ndarray) -> bytes:
    """The file with other values for the array at a path."""
    forged = Forged.of(data)
    forged.set_array(array_at(data, path)[0], np.ascontiguousarray(values))
    return forged.data()


def made(data: bytes) -> Any:
    """The object of a file."""
    artifact: Artifact = read_artifact(data)
    return restore(artifact.root, artifact, TrustPolicy(), dropped=artifact.manifest["residue"])


@cache
def tree_file(*, packed: bool = False) -> bytes:
    """A decision tree."""
    from sklearn.tree import DecisionTreeRegressor

    tree = DecisionTreeRegressor(max_depth=4, random_state=0)
    return file_of(tree.fit(rows(), rows()[:, 0] * rows()[:, 1]), packed=packed)


@cache
def histogram_file(*, packed: bool = False) -> bytes:
    """Histogram boosting."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=4)
    return file_of(model.fit(rows(), rows()[:, 0]), packed=packed)


@cache
def neighbors_file(algorithm: str) -> bytes:
    """Neighbors in a search tree."""
    from sklearn.neighbors import NearestNeighbors

    return file_of(NearestNeighbors(algorithm=algorithm, leaf_size=5).fit(rows()))


@cache
def sparse_file() -> bytes:
    """A matrix in compressed rows."""
    from scipy.sparse import csr_matrix

    return file_of({"matrix": csr_matrix(np.where(rows() > 1, rows(), 0.0))})


@cache
def support_file(*, probability: bool = False) -> bytes:
    """A support vector machine of three classes."""
    from sklearn.svm import SVC

    with warnings.catch_warnings():  # `probability` is deprecated, and saved models have it
        warnings.simplefilter("ignore", FutureWarning)
        return file_of(SVC(probability=probability).fit(rows(), np.arange(60) % 3))
