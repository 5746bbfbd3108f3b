"""The real object of one component of an artifact, for methods without a fast predictor."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from inspect import getattr_static
from typing import Any

import numpy as np

from model_quantization.artifact.reader import Artifact
from model_quantization.graph.nodes import Node
from model_quantization.predictor.component import Context
from model_quantization.trust import TrustPolicy
from model_quantization.version import library_version


def saved_by(artifact: Artifact) -> str:
    """The version of scikit-learn whose state the artifact holds."""
    return str(artifact.manifest["libraries"].get("scikit-learn", ""))


def restore_component(
    artifact: Artifact,
    trust: TrustPolicy,
    node: Node,
    context: Context,
    path: str,
    *,
    as_scikit_learn: bool = False,
    own_class: bool = False,
) -> Any:
    """Return a new object of the component at `path`; the options are those of `restore`."""
    from model_quantization.estimators.restore import restore  # few models need it

    return restore(
        node,
        artifact,
        trust,
        dropped=_dropped_below(artifact.manifest["residue"], path),
        identified=context.identified,
        saved_by=saved_by(artifact),
        as_scikit_learn=as_scikit_learn,
        own_class=own_class,
    )


def _dropped_below(notes: Mapping[str, str], path: str) -> dict[str, str]:
    """Notes on dropped attributes at or below `path`, by their path below it."""
    if not path:
        return dict(notes)
    start = f"{path}/"
    return {key[len(start) :]: note for key, note in notes.items() if key.startswith(start)}


def library_change(artifact: Artifact) -> tuple[str, str] | None:
    """The libraries that made the artifact, and those installed; None where they are the same."""
    made = artifact.manifest["libraries"]
    here = {name: library_version(name) or "(none)" for name in made}
    if made == here:
        return None
    was, now = (", ".join(f"{name} {each[name]}" for name in sorted(made)) for each in (made, here))
    return was, now


def check_after_upgrade(artifact: Artifact, estimator: Any, methods: Iterable[str]) -> None:
    """Let a restored estimator answer the golden rows if the libraries are not the artifact's.

    Parameters
    ----------
    artifact : Artifact
    estimator : estimator
        The whole model of the artifact.
    methods : iterable of str
        Those that the restored estimator answers.

    Raises
    ------
    EnvironmentMismatch
        An answer differs from the one recorded when the artifact was made.
    """
    changed = library_change(artifact)
    if changed is None:
        return
    from model_quantization.predictor.golden_rows import check_restored

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        check_restored(estimator, artifact.manifest["golden"], methods, changed)


def report_missing(estimator: Any, methods: Iterable[str], artifact: Artifact) -> None:
    """Let a restored estimator's error name methods that only other versions have."""
    from model_quantization.estimators.dropped import lacking_class

    cls = type(estimator)
    missing = tuple(name for name in methods if getattr_static(cls, name, None) is None)
    # Ensembles of other libraries give methods by `__getattr__`: those are present.
    missing = tuple(name for name in missing if not hasattr(estimator, name))
    if missing:
        made_with = ", ".join(f"{name} {it}" for name, it in artifact.manifest["libraries"].items())
        estimator.__class__ = lacking_class(cls, missing, made_with)
