"""The models that people use every day, each small and quick to fit.

Each is made by a function without arguments and comes with rows to ask it about. The list is the
measure of `benchmarks.everyday`: what answers without scikit-learn, and how quickly.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.everyday_data import Maker
from benchmarks.everyday_estimators import ESTIMATORS
from benchmarks.everyday_pipelines import PIPELINES

MODELS: Mapping[str, Maker] = {**ESTIMATORS, **PIPELINES}
