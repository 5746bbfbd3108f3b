"""Two models side by side, and the latency of one."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from model_quantization.errors import ConfigError, HeldOutError, PredictionError
from model_quantization.evaluation import latency
from model_quantization.evaluation.compare import LoadCost, Subject, compare
from model_quantization.evaluation.latency import (
    Latency,
    measure_latencies,
    slower_by_more_than_spread,
)

RNG = np.random.default_rng(0)
X = RNG.normal(0, 1, (120, 4))
Y = (X[:, 0] + 0.3 * RNG.normal(0, 1, 120) > 0).astype(int)
QUICK = {"repeats": 3, "budget_seconds": 0.01}


def test_classifiers_side_by_side():
    one = LogisticRegression().fit(X, Y)
    two = LogisticRegression(C=0.1).fit(X, Y)
    found = compare(
        Subject(one, size_bytes=1000),
        Subject(
            load=lambda: two, size_bytes=250, measure=lambda: LoadCost(0.5, resident_bytes=4096)
        ),
        X,
        Y,
        **QUICK,
    )
    assert (found["rows"], found["task"], found["metric"]) == (120, "classification", "accuracy")
    assert found["original"]["score"] == one.score(X, Y)
    assert found["quantized"]["metrics"]["accuracy"] == two.score(X, Y)
    assert {"roc_auc", "log_loss", "f1_macro"} <= found["original"]["metrics"].keys()
    assert found["agreement"] == np.mean(one.predict(X) == two.predict(X))
    gap = np.abs(one.predict_proba(X) - two.predict_proba(X)).max()
    assert found["largest_score_difference"]["predict_proba"] == pytest.approx(gap)
    assert found["original"]["load_seconds"] is None is found["original"]["resident_bytes"]
    assert found["quantized"]["load_seconds"] == 0.5
    assert found["quantized"]["resident_bytes"] == 4096
    assert found["size_reduction_percent"] == 75.0
    assert found["original"]["latency"]["one_row_p50_us"] > 0 < found["speedup_batch"]
    assert found["speedup_one_row"] > 0
    assert isinstance(found["slower"], list)
    assert found["failed"] == {}
    json.dumps(found, allow_nan=False)


def test_an_object_against_itself_and_a_load_that_is_timed_here():
    model = LinearRegression().fit(X, X[:, 1])
    found = compare(Subject(model), Subject(load=lambda: model), X, X[:, 1], **QUICK)
    assert found["bit_identical"] and found["agreement"] == 1.0
    assert set(found["original"]["metrics"]) == {
        "r2",
        "neg_mae",
        "neg_rmse",
        "neg_median_absolute_error",
    }
    assert found["quantized"]["load_seconds"] >= 0
    assert found["quantized"]["resident_bytes"] is None
    assert found["size_reduction_percent"] is None


def test_without_targets():
    forest = RandomForestClassifier(3, random_state=0).fit(X, Y)
    found = compare(Subject(forest), Subject(forest), csr_array(X), **QUICK)
    assert found["metric"] == "agreement" and found["original"]["metrics"] == {}
    pca = PCA(2).fit(X)
    found = compare(Subject(pca), Subject(PCA(2).fit(X[:60])), X, **QUICK)
    assert found["metric"] == "relative_error" and found["original"]["score"] is None


def test_a_method_that_the_quantized_model_lacks():
    class Lame:
        classes_ = np.arange(2)

        def predict(self, rows):
            return np.zeros(len(rows), dtype=int)

    found = compare(Subject(LogisticRegression().fit(X, Y)), Subject(Lame()), X, Y, **QUICK)
    assert "AttributeError" in found["failed"]["predict_proba"]
    assert found["agreement"] is None and found["original"]["metrics"] == {}


def test_what_cannot_be_compared():
    model = LogisticRegression().fit(X, Y)
    with pytest.raises(ConfigError, match="a model, or a way to load it"):
        compare(Subject(), Subject(model), X)
    with pytest.raises(PredictionError, match="object: the model has no method that answers rows"):
        compare(Subject(object()), Subject(model), X)
    with pytest.raises(HeldOutError, match="do not fit"):
        compare(Subject(model), Subject(model), X, Y[:50], **QUICK)


@pytest.mark.parametrize("rows", [X, pd.DataFrame(X), list("abc") * 40, csr_array(X)])
def test_latency_asks_for_single_rows_and_batches_of_the_same_kind(rows):
    seen = []
    (found,) = measure_latencies(
        [lambda given: seen.append((type(given), np.shape(given)[0]))],
        rows,
        repeats=5,
        budget_seconds=10,
    )
    assert {kind for kind, _ in seen} == {type(rows)}
    assert {count for _, count in seen} == {1, 120}
    assert (found.one_row_calls, found.batch_calls, found.batch_rows) == (5, 5, 120)
    assert 0 < found.one_row_p50_us <= found.one_row_p99_us
    assert 0 <= found.one_row_spread_us <= found.one_row_p99_us
    assert Latency.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_latency_stops_at_its_budget_but_measures_once():
    calls = []
    (found,) = measure_latencies([calls.append], X, repeats=10**9, budget_seconds=0.0)
    assert (found.one_row_calls, found.batch_calls) == (1, 1)
    assert len(calls) == 4  # a warm-up call and a timed one of each kind


def test_models_answer_in_turns_and_neither_is_always_first():
    order = []
    both = [lambda rows, name=name: order.append((name, rows.tolist())) for name in "ab"]
    measure_latencies(both, np.arange(4.0)[:, None], repeats=4, budget_seconds=10)
    warm, timed = order[:6], order[6:14]
    assert [name for name, _ in warm] == ["a", "b"] * 3
    assert [name for name, _ in timed] == ["a", "b", "b", "a", "a", "b", "b", "a"]
    assert [rows for _, rows in timed] == [[[row]] for row in (0, 0, 1, 1, 2, 2, 3, 3)]


def _clocks(monkeypatch, thread_ns, process_ns):
    """Let the clocks of the processor say what a call is given as its own time."""
    now = {"thread": 0, "process": 0}
    monkeypatch.setattr(latency, "thread_time_ns", lambda: now["thread"])
    monkeypatch.setattr(latency, "process_time_ns", lambda: now["process"])

    def call(rows):
        at = int(rows[0, 0]) if len(rows) == 1 else 0
        now["thread"] += thread_ns[at]
        now["process"] += process_ns[at]

    return call


def test_latency_is_processor_time_with_its_spread(monkeypatch):
    times = [1000, 2000, 3000, 4000, 100_000]
    call = _clocks(monkeypatch, times, times)
    (found,) = measure_latencies([call], np.arange(5.0)[:, None], repeats=5, budget_seconds=10)
    assert found.one_row_p50_us == 3.0
    assert found.one_row_spread_us == 2.0
    assert found.one_row_p99_us == pytest.approx(96.16)
    assert (found.batch_p50_us, found.batch_p99_us, found.batch_spread_us) == (0.2, 0.2, 0.0)


def test_latency_counts_the_threads_that_a_model_lets_work(monkeypatch):
    call = _clocks(monkeypatch, [1000] * 5, [3000] * 5)
    (found,) = measure_latencies([call], np.arange(5.0)[:, None], repeats=5, budget_seconds=10)
    assert (found.one_row_p50_us, found.batch_p50_us) == (3.0, 0.6)
    call = _clocks(monkeypatch, [1000] * 5, [1400] * 5)  # the clocks' own time
    (found,) = measure_latencies([call], np.arange(5.0)[:, None], repeats=5, budget_seconds=10)
    assert found.one_row_p50_us == 1.0


@pytest.mark.parametrize(
    ("one_row", "batch", "slower"),
    [
        ((10.0, 0.5), (1.0, 0.1), []),
        ((10.5, 0.5), (1.125, 0.125), []),
        ((10.6, 0.5), (1.0, 0.1), ["one row takes 10.6 us instead of 10 (spread 0.5)"]),
        ((10.6, 0.9), (1.0, 0.1), []),
        ((5.0, 0.9), (1.3, 0.1), ["a row of a batch takes 1.3 us instead of 1 (spread 0.1)"]),
        ((19.0, 0.5), (1.3, 0.1), [
            "one row takes 19 us instead of 10 (spread 0.5)",
            "a row of a batch takes 1.3 us instead of 1 (spread 0.1)",
        ]),
    ],
)  # fmt: skip
def test_slower_means_by_more_than_the_spread(one_row, batch, slower):
    def latency_of(one, many):
        return Latency(one[0], 20.0, 200, many[0], 2.0, 50, 1000, one[1], many[1])

    before, after = latency_of((10.0, 0.5), (1.0, 0.1)), latency_of(one_row, batch)
    assert list(slower_by_more_than_spread(before, after)) == slower
    if not slower and one_row[1] == 0.9:  # the wider spread counts, whichever side has it
        swapped = latency_of((10.0, 0.9), (1.0, 0.1)), latency_of((10.6, 0.5), batch)
        assert not slower_by_more_than_spread(*swapped)


def test_importing_the_gate_costs_no_more_than_numpy():
    heavy = "sklearn", "pandas", "scipy", "pyarrow", "pydantic"
    code = (
        "import sys, model_quantization.evaluation.compare;"
        "import model_quantization.evaluation.rows.heldout;"
        f"sys.exit(', '.join(set({heavy!r}) & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
