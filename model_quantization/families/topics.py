"""Latent Dirichlet allocation: the topics of a document, found by iteration."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family, slots_for
from model_quantization.families.forms import text_step
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.shared.steps import gives_frames
from model_quantization.kernels.linear.topics import shares_of_topics
from model_quantization.schemes.scheme import Role, Slot

if TYPE_CHECKING:
    from model_quantization.kernels.text.steps import Step

_TOPICS = "sklearn.decomposition._lda:LatentDirichletAllocation"
_MOST_TURNS = 1 << 14  # as in the kernel
_MOST_CELLS = 1 << 20  # of counts that are laid out as an array


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The shares of topics, up to rounding."""
    if exact:
        return NotFast("the last bits of its sums are those of scikit-learn's products")
    topics = component.get("exp_dirichlet_component_")
    prior, tolerance = component.get("doc_topic_prior_"), component.get("mean_change_tol")
    most = component.get("max_doc_update_iter")
    if not isinstance(topics, np.ndarray) or topics.ndim != 2 or topics.dtype.char != "d":
        return NotFast("its topics are no float64")
    if not (np.isfinite(topics).all() and (topics >= 0).all()) or not topics.size:
        return NotFast("its topics are no finite numbers above zero")
    if type(most) is not int or not 0 < most <= _MOST_TURNS or not isinstance(prior, float | int):
        return NotFast("its search has no end, or its topics no prior")
    if not isinstance(tolerance, float | int) or not (tolerance > 0 and prior > 0):
        return NotFast("its search ends at no tolerance")
    if gives_frames(component):
        return NotFast("it gives frames")
    words = np.ascontiguousarray(topics.T)

    def transform(rows: Array) -> Array | None:
        if rows.dtype.char != "d":
            return None
        rows = np.ascontiguousarray(rows)
        return shares_of_topics(rows, words, float(prior), most, float(tolerance))

    def absorb(previous: Lowered) -> Lowered | None:
        step = text_step(previous.form)
        if step is None or step.n_columns != len(words):
            return None
        return Lowered(
            {"transform": _of_documents(step, transform)},
            by=f"{previous.by}, then shares of {len(topics)} topics",
            names=(*previous.names, component.path),
            input=previous.input,
            n_features=previous.n_features,
            n_columns=len(topics),
            integers=previous.integers,
            takes=previous.takes,
        )

    return Lowered(
        {"transform": transform},
        by=f"shares of {len(topics)} topics",
        names=(component.path,),
        n_features=topics.shape[1],
        n_columns=len(topics),
        absorb=absorb,
        sparse_as_dense=True,
    )


def _of_documents(
    step: Step, transform: Callable[[Array], Array | None]
) -> Callable[[Any], Array | None]:
    """The shares of documents, of which blocks are laid out as arrays in turn."""

    def from_documents(documents: Any) -> Array | None:
        counts = step.matrix(documents)
        if counts is None or counts.dtype.char == "f":
            return None
        found = []
        size = max(1, _MOST_CELLS // max(1, step.n_columns))
        for start in range(0, counts.shape[0], size):
            dense = counts[start : start + size].toarray()
            shares = transform(dense.astype(np.float64, copy=False))
            if shares is None:
                return None
            found.append(shares)
        return np.vstack(found)

    return from_documents


def examples() -> Iterable[Example]:
    """Counts of two kinds of words, and documents."""
    from sklearn.decomposition import LatentDirichletAllocation
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.pipeline import make_pipeline

    rng = np.random.default_rng(0)
    rows = rng.poisson(np.where(np.arange(60)[:, None] % 2 == np.arange(24) % 2, 2.0, 0.2))
    counts = rows.astype(np.float64)
    model = LatentDirichletAllocation(3, random_state=0, max_iter=3)
    yield Example("counts", model.fit(counts), counts)
    texts = [" ".join(f"word{at}" for at in np.flatnonzero(row)) for row in rows]
    search = LatentDirichletAllocation(2, random_state=0, max_iter=3)
    yield Example("documents", make_pipeline(CountVectorizer(), search).fit(texts), texts)


FAMILY = Family(
    name="topics",
    types=frozenset({_TOPICS}),
    slots=slots_for(
        ("components_", "exp_dirichlet_component_"), Slot(Role.PARAMETER, channel_axis=-1)
    ),
    lower=lower,
    examples=examples,
)
