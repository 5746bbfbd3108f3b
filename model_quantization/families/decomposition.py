"""Projections: rows times the directions that a decomposition found."""

from __future__ import annotations

from collections.abc import Iterable

from model_quantization.families.family import Example, Family, slots_for
from model_quantization.schemes.scheme import Role, Slot

_MODULES = {
    "decomposition._pca": ("PCA",),
    "decomposition._incremental_pca": ("IncrementalPCA",),
    "decomposition._truncated_svd": ("TruncatedSVD",),
    "decomposition._nmf": ("NMF", "MiniBatchNMF"),
    "decomposition._fastica": ("FastICA",),
    "decomposition._factor_analysis": ("FactorAnalysis",),
    "decomposition._sparse_pca": ("SparsePCA", "MiniBatchSparsePCA"),
    "decomposition._dict_learning": ("DictionaryLearning", "MiniBatchDictionaryLearning"),
    "random_projection": ("GaussianRandomProjection",),
    "kernel_approximation": ("RBFSampler", "Nystroem"),
}
# Every component has a scale of its own.
_DIRECTIONS = Slot(Role.BASIS, channel_axis=0)


def examples() -> Iterable[Example]:
    """Centred, uncentred and nonnegative."""
    import numpy as np
    from sklearn.decomposition import NMF, PCA, TruncatedSVD

    rows = np.abs(np.random.default_rng(0).normal(size=(120, 40)))
    yield Example("pca", PCA(6, random_state=0).fit(rows), rows)
    yield Example("svd", TruncatedSVD(6, random_state=0).fit(rows), rows)
    yield Example("nmf", NMF(4, random_state=0, max_iter=2000, tol=1e-3).fit(rows), rows)


FAMILY = Family(
    name="decomposition",
    types=frozenset(f"sklearn.{module}:{n}" for module, names in _MODULES.items() for n in names),
    slots=slots_for(("components_", "mixing_", "random_weights_"), _DIRECTIONS)
    | slots_for(
        ("mean_", "noise_variance_", "explained_variance_*", "singular_values_", "random_offset_"),
        Slot(Role.STATISTIC),
    ),
    dropped={
        "_inner_stats": "running sums of training; only further training reads them",
        "error_": "the error at each step of training",
    },
    examples=examples,
)
