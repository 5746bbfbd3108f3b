"""Metrics of loaders: what is counted, by how many threads, and what exporters make of it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from model_quantization import ModelLoader
from model_quantization.errors import MissingExtra
from model_quantization.serving.exporters import PrometheusCollector, observe
from model_quantization.serving.metrics import BUCKETS, CallMetrics
from tests.forking import in_a_fork
from tests.serving.releases import ROWS, Releases


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    made = Releases(tmp_path)
    made.prepare(1)
    made.publish(1)
    return made


def test_times_go_into_buckets_that_double() -> None:
    metrics = CallMetrics()
    for nanoseconds in (0, 1, 1_000, 1_023, 1_024, 1 << 60):
        metrics.record("predict", nanoseconds)
    metrics.record("transform", 5_000, failed=True)
    figures = metrics.figures()
    assert list(figures) == ["predict", "transform"]
    predict = figures["predict"]
    assert (predict.count, predict.errors) == (6, 0)
    assert {power: calls for power, calls in enumerate(predict.buckets) if calls} == {
        0: 1, 1: 1, 10: 2, 11: 1, BUCKETS - 1: 1,
    }  # fmt: skip
    assert predict.seconds == pytest.approx((3_048 + (1 << 60)) / 1e9)
    assert predict.quantile_us(0.5) == 1.024
    record = figures["transform"].to_json()
    assert (record["count"], record["errors"]) == (1, 1)
    assert record["histogram"] == [[8.192e-06, 1]]


def test_no_call_of_any_thread_is_lost() -> None:
    metrics = CallMetrics()

    def work() -> None:
        for _ in range(200):
            metrics.record("predict", 1_000)

    for _ in range(5):
        threads = [threading.Thread(target=work) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert metrics.figures()["predict"].count == 5 * 30 * 200
    # Threads that have ended are added up, so that they take no memory for ever.
    assert len(metrics._threads) <= 64 + 30


def test_they_are_off_unless_asked_for(releases: Releases) -> None:
    loader = ModelLoader("intent", releases.models)
    assert loader.metrics() == {
        "name": "intent", "calls": {}, "fallbacks": {}, "release": 0, "active": None,
        "shadow": None,
    }  # fmt: skip
    loader.predict(ROWS)
    found = loader.metrics()
    assert (found["calls"], found["release"], found["active"]) == ({}, 1, "quantized")


def test_calls_errors_and_shadow_are_counted(releases: Releases) -> None:
    loader = ModelLoader("intent", releases.models, metrics=True, shadow=1.0)
    predict = loader.predict
    for _ in range(3):
        predict(ROWS)
    with pytest.raises(ValueError, match="features"):
        predict(np.zeros((2, 3)))
    loader.predict_proba(ROWS)
    found = loader.metrics()
    assert {name: (c["count"], c["errors"]) for name, c in found["calls"].items()} == {
        "predict": (4, 1), "predict_proba": (1, 0),
    }  # fmt: skip
    calls = found["calls"]["predict"]
    assert calls["histogram"][-1][1] == 4
    assert 0 < calls["p50_us"] <= calls["p99_us"]
    assert found["shadow"]["rows"] == 4 * len(ROWS)
    assert found["shadow"]["differing"] == 0


def test_fallbacks_are_counted_by_reason(releases: Releases) -> None:
    path = releases.publish(1)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    loader = ModelLoader("intent", releases.models, metrics=True)
    assert list(loader.predict(ROWS)) == list(releases.answers[1])
    found = loader.metrics()
    assert found["active"] == "original"
    assert sum(found["fallbacks"].values()) == 1
    assert set(found["fallbacks"]) == {loader.status()["reason_code"]}


def test_a_forked_process_counts_on(releases: Releases) -> None:
    loader = ModelLoader("intent", releases.models, metrics=True)
    loader.predict(ROWS)

    def child() -> bool:
        loader.predict(ROWS)
        return bool(loader.metrics()["calls"]["predict"]["count"] == 2)

    assert in_a_fork(child) == 0
    assert loader.metrics()["calls"]["predict"]["count"] == 1


def test_prometheus_scrapes_them(releases: Releases) -> None:
    loader = ModelLoader("intent", releases.models, metrics=True, shadow=1.0)
    for _ in range(5):
        loader.predict(ROWS)
    registry = CollectorRegistry()
    registry.register(PrometheusCollector([loader]))
    families = {
        family.name: family
        for family in text_string_to_metric_families(generate_latest(registry).decode())
    }
    samples = {
        (sample.name, sample.labels.get("le", sample.labels.get("outcome", ""))): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert samples["model_quantization_call_seconds_count", ""] == 5
    assert samples["model_quantization_call_seconds_bucket", "+Inf"] == 5
    assert samples["model_quantization_release", ""] == 1
    assert samples["model_quantization_quantized", ""] == 1
    assert samples["model_quantization_shadow_rows_total", "same"] == 5 * len(ROWS)
    counts = [
        sample.value
        for sample in families["model_quantization_call_seconds"].samples
        if sample.name.endswith("_bucket")
    ]
    assert counts == sorted(counts)


def test_opentelemetry_reads_them(releases: Releases) -> None:
    loader = ModelLoader("intent", releases.models, metrics=True)
    reader = InMemoryMetricReader()
    observe([loader], MeterProvider([reader]).get_meter("model_quantization"))
    for _ in range(4):
        loader.predict(ROWS)
    data = reader.get_metrics_data()
    assert data is not None
    points = {
        metric.name: {
            point.attributes.get("le", point.attributes.get("outcome", "")): point.value
            for point in metric.data.data_points
        }
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
    }
    assert points["model.quantization.calls"] == {"answered": 4, "raised": 0}
    assert points["model.quantization.call.buckets"]["+Inf"] == 4
    assert points["model.quantization.call.seconds"][""] > 0
    assert points["model.quantization.release"] == {"": 1}


def test_an_exporter_that_is_not_installed_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, releases: Releases
) -> None:
    import sys

    for name in ("prometheus_client", "opentelemetry"):
        monkeypatch.setitem(sys.modules, name, None)
    loader = ModelLoader("intent", releases.models)
    with pytest.raises(MissingExtra, match=r"model-quantization\[metrics\]"):
        PrometheusCollector([loader])
    with pytest.raises(MissingExtra, match="opentelemetry-api"):
        observe([loader], MeterProvider().get_meter("m"))
