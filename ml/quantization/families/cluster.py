"""Clustering models: centres and the training rows they keep."""

from __future__ import annotations

from ml.quantization.families.family import Family, slots_for
from ml.quantization.scheme import Role, Slot

_CENTRES = ("cluster_centers_", "subcluster_centers_")

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
    residue={
        "root_": "the tree that training grows; prediction uses the subcluster centres",
        "dummy_leaf_": "a link into the tree that training grows",
        "affinity_matrix_": "similarities of the training rows; prediction uses the exemplars",
    },
)
