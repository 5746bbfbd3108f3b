"""Trees that older versions of scikit-learn wrote load, and answer as they did then.

The cases are made by editing saved state: nodes without `missing_go_to_left`, leaves that hold
counts, parameters under their names of that time.
"""

from __future__ import annotations

import copy
import gzip
import io
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.tree._tree import Tree

from model_quantization.api import ModelQuantizer, quantize_model_file
from model_quantization.errors import ScanMalformed
from model_quantization.evaluation.agreement import same_bits
from model_quantization.loading.pickles.migrations.deferred import tree_nodes
from model_quantization.loading.pickles.migrations.trees import counted_trees_note
from model_quantization.loading.pickles.original import load_original
from model_quantization.predictor.opening import load

ROWS, LABELS = make_classification(240, 6, n_informative=4, n_classes=3, flip_y=0.3, random_state=0)
CLASSIFIERS = {
    "tree": DecisionTreeClassifier(max_depth=4, random_state=0),
    "forest": RandomForestClassifier(5, max_depth=4, random_state=0),
    "extra trees": ExtraTreesClassifier(4, max_depth=4, random_state=0),
    "bagging": BaggingClassifier(DecisionTreeClassifier(max_depth=4), 3, random_state=0),
    "pipeline": make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0)),
}
OTHERS = {
    "regressor": DecisionTreeRegressor(max_depth=4, random_state=0),
    "regressors": RandomForestRegressor(3, max_depth=4, random_state=0),
    "isolation": IsolationForest(n_estimators=5, random_state=0),
}
SAVED = "saved by scikit-learn {}: it answers as it did there"
COUNTED = "had class counts"


def as_then(write: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """A writer whose files say that scikit-learn 1.1.3 saved them."""

    def written_then(model: Any) -> bytes:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sklearn.base.__version__", "1.1.3")
            return write(model)

    return written_then


class OldTree:
    """Pickles as `Tree` did before nodes said where missing values go."""

    def __init__(self, tree: Tree, *, counts: bool, gapless: bool) -> None:
        self.tree, self.counts, self.gapless = tree, counts, gapless

    def __reduce__(self) -> tuple[Any, ...]:
        _, args, state = self.tree.__reduce__()
        nodes, values = state["nodes"], state["values"]
        if self.counts:
            values = values * nodes["weighted_n_node_samples"][:, None, None]
        if self.gapless:
            names = [name for name in nodes.dtype.names if name != "missing_go_to_left"]
            old = np.zeros(len(nodes), dtype=np.dtype([(n, nodes.dtype[n]) for n in names]))
            for name in names:
                old[name] = nodes[name]
            nodes = old
        return Tree, args, {**state, "nodes": nodes, "values": values}


def aged(model: Any, *, counts: bool = True, gapless: bool = True) -> Any:
    """A copy that pickles as an old scikit-learn would have written it."""

    def age(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(age(item) for item in value)
        if hasattr(value, "get_params"):
            held = vars(value)
            for name, item in held.items():
                held[name] = age(item)
            if gapless:
                for name in ("estimator", "estimator_"):
                    if name in held:
                        held[f"base_{name}"] = held.pop(name)
                held.pop("monotonic_cst", None)
            if isinstance(held.get("tree_"), Tree):
                is_counted = counts and "n_classes_" in held
                held["tree_"] = OldTree(held["tree_"], counts=is_counted, gapless=gapless)
        return value

    return age(copy.deepcopy(model))


def joblib_bytes(model: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    joblib.dump(model, stream, **options)
    return stream.getvalue()


WRITERS: dict[str, Callable[[Any], bytes]] = {
    "pickle": pickle.dumps,
    "pickle, protocol 2": lambda model: pickle.dumps(model, 2),
    "pickle, gzip": lambda model: gzip.compress(pickle.dumps(model)),
    "pickle, zlib": lambda model: zlib.compress(pickle.dumps(model)),
    "joblib": joblib_bytes,
    "joblib, zlib": lambda model: joblib_bytes(model, compress=3),
    "joblib, lzma": lambda model: joblib_bytes(model, compress=("lzma", 1)),
}


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "model.pkl"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("writer", WRITERS)
def test_an_old_forest_is_quantized_and_gives_its_original_probabilities(
    writer: str, tmp_path: Path
) -> None:
    model = RandomForestClassifier(4, max_depth=4, random_state=0).fit(ROWS, LABELS)
    source = written(tmp_path, as_then(WRITERS[writer])(aged(model)))
    np.savez(tmp_path / "rows.npz", X=ROWS, y=LABELS)
    found = quantize_model_file(
        source, tmp_path / "m.qma", bit_depth="exact", held_out=tmp_path / "rows.npz", target="y"
    )
    assert found["guarantee"] == "exact"
    opened = load(tmp_path / "m.qma")
    assert same_bits(opened.predict_proba(ROWS), model.predict_proba(ROWS))
    assert same_bits(opened.restore().predict_proba(ROWS), model.predict_proba(ROWS))
    notes = opened.artifact.manifest["notes"]
    assert SAVED.format("1.1.3") in notes


@pytest.mark.parametrize("name", [*CLASSIFIERS, *OTHERS])
@pytest.mark.parametrize("writer", ["pickle", "joblib, zlib"])
def test_a_loader_serves_an_old_original_as_it_was(name: str, writer: str, tmp_path: Path) -> None:
    model = (CLASSIFIERS | OTHERS)[name].fit(ROWS, LABELS)
    source = written(tmp_path, as_then(WRITERS[writer])(aged(model)))
    opened, _ = load_original(source)
    for method in ("predict", "predict_proba", "score_samples"):
        if hasattr(model, method):
            assert same_bits(getattr(opened, method)(ROWS), getattr(model, method)(ROWS))
    again = pickle.loads(pickle.dumps(opened))  # nothing of the rescue is left in it
    assert same_bits(again.predict(ROWS), model.predict(ROWS))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_counts_in_nodes_of_the_present_form(name: str, tmp_path: Path) -> None:
    model = CLASSIFIERS[name].fit(ROWS, LABELS)
    source = written(tmp_path, as_then(pickle.dumps)(aged(model, gapless=False)))
    opened, _ = load_original(source)
    assert same_bits(opened.predict_proba(ROWS), model.predict_proba(ROWS))
    live = pickle.loads(pickle.dumps(aged(model, gapless=False)))
    before = pickle.dumps(live)
    made, stats = ModelQuantizer(bit_depth="exact").quantize_model(live)
    assert same_bits(made.predict_proba(ROWS), model.predict_proba(ROWS))
    assert any(COUNTED in note for note in stats["notes"])
    assert pickle.dumps(live) == before


@pytest.mark.parametrize("name", [*CLASSIFIERS, *OTHERS])
def test_the_present_format_is_left_alone(name: str) -> None:
    model = (CLASSIFIERS | OTHERS)[name].fit(ROWS, LABELS)
    before = pickle.dumps(model)
    assert counted_trees_note(model) == ()
    assert pickle.dumps(model) == before


def test_other_nodes_are_for_scikit_learn_to_refuse(tmp_path: Path) -> None:
    model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(ROWS, LABELS)
    nodes = model.tree_.__reduce__()[2]["nodes"]
    other = nodes.astype([(f"x{n}", nodes.dtype[n]) for n in range(len(nodes.dtype))])
    assert tree_nodes(other) is other
    assert tree_nodes(nodes) is nodes

    class Other(OldTree):
        def __reduce__(self) -> tuple[Any, ...]:
            _, args, state = self.tree.__reduce__()
            return Tree, args, {**state, "nodes": other}

    model.tree_ = Other(model.tree_, counts=False, gapless=False)
    with pytest.raises(ScanMalformed, match="incompatible dtype"):
        load_original(written(tmp_path, pickle.dumps(model)))


def test_what_shares_and_refers_to_itself_is_walked_once() -> None:
    shared = DecisionTreeClassifier(max_depth=2, random_state=0).fit(ROWS, LABELS)
    shared.tree_.value[...] *= 7
    held: dict[str, Any] = {"a": shared, "b": [shared], "c": np.array([shared, None])}
    held["self"] = held
    (note,) = counted_trees_note(held)
    assert note.startswith("leaves of 1 trees had class counts")
