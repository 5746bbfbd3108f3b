"""Print the global names that scikit-learn's models need and `allowed_names.txt` does not have.

Run it after an upgrade of scikit-learn, numpy or scipy, read every line, and add the harmless
ones to the data file under the heading that fits::

    python tests/loading/collect_names.py          # only what is missing
    python tests/loading/collect_names.py --all    # everything

Two sources: the names that pickles of fitted models use (every protocol, and joblib), and the
classes that models can hold by configuration (losses, kernels, distances, splitters, scorers).
Harmless means: neither making it without arguments nor giving it any state runs code that the
state chooses, opens a file, or reaches the network.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import io
import pickle
import pkgutil
import sys
import warnings
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
from joblib.numpy_pickle import NumpyUnpickler

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.loading.fitted_models import fit_composites, fit_every_estimator

SKIPPED = (".tests", ".conftest", "externals", ".datasets", "_test_common", "_testing", "_mocking",
           "estimator_checks", "experimental", "_repr_html", "_pprint", "_plot",
           "_build_utils")  # fmt: skip
BY_MODULE = (
    "sklearn._loss.loss", "sklearn._loss.link", "sklearn._loss._loss",
    "sklearn.gaussian_process.kernels", "sklearn.linear_model._sgd_fast",
    "sklearn.metrics._dist_metrics", "sklearn.metrics._scorer", "sklearn.model_selection._split",
    "sklearn.neural_network._stochastic_optimizers", "sklearn.tree._tree",
)  # fmt: skip


# Bases and builders that no fitted model holds an instance of.
BASES = {
    "Classification", "CyLossFunction", "DistanceMetric", "DistanceMetric32", "DistanceMetric64",
    "ForestClassifier", "ForestRegressor", "Kernel", "KernelOperator", "LinearModel",
    "LinearModelCV", "MultiOutputLinearModel", "NeighborsBase", "Regression",
    "TreeBuilder", "BestFirstTreeBuilder",
    "DepthFirstTreeBuilder", "_AlphaPruner", "_CCPPruneController", "_PathFinder", "_PLS",
    "_GeneralizedLinearRegressor", "_MultiOutputEstimator", "_RepeatedSplits",
}  # fmt: skip


class _Recording:
    found: set[str]

    def find_class(self, module: str, name: str) -> Any:
        if self.proto < 3:
            module, name = NAME_MAPPING.get((module, name), (module, name))
            module = IMPORT_MAPPING.get(module, module)
        self.found.add(f"{module}:{name}")
        return super().find_class(module, name)


class _Names(_Recording, pickle._Unpickler):  # the C one resolves names without telling
    pass


class _JoblibNames(_Recording, NumpyUnpickler):
    pass


def names_in_pickles() -> set[str]:
    """The names in pickles of every fitted model, in every protocol and in joblib's form."""
    found: set[str] = set()
    for source in (fit_every_estimator(per_class=20), fit_composites()):
        for _, model in source:
            for protocol in range(6):
                stream = io.BytesIO(pickle.dumps(model, protocol))
                unpickler = _Names(stream)
                unpickler.found = found
                unpickler.load()
            stream = io.BytesIO()
            joblib.dump(model, stream)
            stream.seek(0)
            unpickler = _JoblibNames("", stream, ensure_native_byte_order=False)
            unpickler.found = found
            unpickler.load()
    return found


def _modules(package: str) -> Iterator[Any]:
    root = importlib.import_module(package)
    for info in pkgutil.walk_packages(root.__path__, package + "."):
        if not any(part in info.name for part in SKIPPED):
            try:
                yield importlib.import_module(info.name)
            except ImportError:
                continue


def names_by_rule() -> set[str]:
    """The classes a model may hold by configuration, whether or not a small example uses them."""
    from sklearn.base import BaseEstimator

    found = set()
    for module in _modules("sklearn"):
        for name, value in vars(module).items():
            if not inspect.isclass(value) or value.__module__ != module.__name__:
                continue
            if name.lstrip("_").startswith("Base") or name.endswith("Mixin") or name in BASES:
                continue
            if issubclass(value, BaseEstimator) or module.__name__ in BY_MODULE:
                found.add(f"{module.__name__}:{name}")
    return found


def main() -> None:
    """Print one name per line, sorted."""
    from model_quantization.loading.pickles.migrations import current_name
    from model_quantization.trust import TrustPolicy

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="print known names too")
    show_all = parser.parse_args().all
    warnings.simplefilter("ignore")
    policy = TrustPolicy()
    found = {current_name(name) for name in names_in_pickles() | names_by_rule()}
    for name in sorted(found):
        if show_all or not policy.allows_in_pickle(name):
            print(name)


if __name__ == "__main__":
    main()
