"""Clustering models: centres and the training rows they keep."""

from __future__ import annotations

from collections.abc import Iterable

from model_quantization.families.family import Example, Family, slots_for
from model_quantization.schemes.scheme import Role, Slot

_CENTRES = ("cluster_centers_", "subcluster_centers_")


def examples() -> Iterable[Example]:
    """Centres found by averaging, by a tree, and among the rows themselves."""
    from sklearn.cluster import AffinityPropagation, Birch, KMeans
    from sklearn.datasets import make_blobs

    rows, _ = make_blobs(120, 24, centers=6, random_state=0)
    yield Example("means", KMeans(6, random_state=0, n_init=1).fit(rows), rows)
    yield Example("tree", Birch(n_clusters=6).fit(rows), rows)
    yield Example("exemplars", AffinityPropagation(damping=0.9, random_state=0).fit(rows), rows)


FAMILY = Family(
    name="cluster",
    types=frozenset(
        {
            "sklearn.cluster._birch:Birch",
            "sklearn.cluster._kmeans:KMeans",
            "sklearn.cluster._kmeans:MiniBatchKMeans",
            "sklearn.cluster._bisect_k_means:BisectingKMeans",
            "sklearn.cluster._mean_shift:MeanShift",
            "sklearn.cluster._affinity_propagation:AffinityPropagation",
        }
    ),
    slots=slots_for(_CENTRES, Slot(Role.CENTER, channel_axis=1)),
    dropped={
        "root_": "the tree that training grows; prediction uses the subcluster centres",
        "dummy_leaf_": "a link into the tree that training grows",
        "affinity_matrix_": "similarities of the training rows; prediction uses the exemplars",
    },
    examples=examples,
)
