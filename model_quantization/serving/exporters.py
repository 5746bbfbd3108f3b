"""Metrics of loaders for Prometheus and OpenTelemetry.

::

    loader = IntentModelLoader(metrics=True)
    prometheus_client.REGISTRY.register(PrometheusCollector([loader]))
    observe([loader], opentelemetry.metrics.get_meter("model_quantization"))

A call to a model pushes nothing: both read `loader.metrics()` when they are scraped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from model_quantization.extras import need
from model_quantization.serving.loader import ModelLoader

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter, Observation

PREFIX = "model_quantization"
# Upper bounds in seconds, powers of two ns; few, because scrapers store each one.
_BOUNDS = tuple((1 << power) / 1e9 for power in range(10, 35, 2))


class PrometheusCollector:
    """The metrics of loaders, as `prometheus_client` collects them.

    Parameters
    ----------
    loaders : sequence of ModelLoader
        Calls and times need loaders made with ``metrics=True``; other metrics do not.

    Raises
    ------
    MissingExtra
        `prometheus-client` is not installed.
    """

    def __init__(self, loaders: Sequence[ModelLoader]) -> None:
        need("exporting metrics to Prometheus", "prometheus_client")
        self._loaders = tuple(loaders)

    def collect(self) -> Iterator[Any]:
        """Yield the metric families."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        seconds = HistogramMetricFamily(
            f"{PREFIX}_call_seconds", "Time of calls.", labels=["model", "method"]
        )
        errors = CounterMetricFamily(
            f"{PREFIX}_call_errors", "Calls that raised.", labels=["model", "method"]
        )
        fallbacks = CounterMetricFamily(
            f"{PREFIX}_fallbacks",
            "Times that a requested artifact was given up.",
            labels=["model", "reason"],
        )
        release = GaugeMetricFamily(f"{PREFIX}_release", "The release served.", labels=["model"])
        quantized = GaugeMetricFamily(
            f"{PREFIX}_quantized", "1 while the artifact answers.", labels=["model"]
        )
        rows = CounterMetricFamily(
            f"{PREFIX}_shadow_rows",
            "Rows answered by both models.",
            labels=["model", "outcome"],
        )
        for loader in self._loaders:
            found = loader.metrics()
            name = found["name"]
            for method, calls in found["calls"].items():
                seconds.add_metric(
                    [name, method],
                    buckets=[(_bound(bound), count) for bound, count in _buckets(calls)],
                    sum_value=calls["seconds"],
                )
                errors.add_metric([name, method], calls["errors"])
            for reason, count in found["fallbacks"].items():
                fallbacks.add_metric([name, reason], count)
            release.add_metric([name], found["release"])
            quantized.add_metric([name], float(found["active"] == "quantized"))
            for outcome, count in _shadow_rows(found):
                rows.add_metric([name, outcome], count)
        yield from (seconds, errors, fallbacks, release, quantized, rows)


def observe(loaders: Sequence[ModelLoader], meter: Meter) -> None:
    """Give an OpenTelemetry meter instruments that read the metrics of loaders.

    Times are a counter of calls with the bucket's upper bound as the attribute `le`, in seconds,
    and a counter of seconds: OpenTelemetry has no observable histogram.

    Raises
    ------
    MissingExtra
        `opentelemetry-api` is not installed.
    """
    need("exporting metrics to OpenTelemetry", "opentelemetry")
    known = tuple(loaders)

    def calls(_: Any) -> Iterable[Observation]:
        for name, method, figures in _calls(known):
            attributes = {"model": name, "method": method}
            yield _seen(figures["count"] - figures["errors"], attributes | {"outcome": "answered"})
            yield _seen(figures["errors"], attributes | {"outcome": "raised"})

    def seconds(_: Any) -> Iterable[Observation]:
        for name, method, figures in _calls(known):
            yield _seen(figures["seconds"], {"model": name, "method": method})

    def buckets(_: Any) -> Iterable[Observation]:
        for name, method, figures in _calls(known):
            for bound, count in _buckets(figures):
                yield _seen(count, {"model": name, "method": method, "le": _bound(bound)})

    def fallbacks(_: Any) -> Iterable[Observation]:
        for found in (loader.metrics() for loader in known):
            for reason, count in found["fallbacks"].items():
                yield _seen(count, {"model": found["name"], "reason": reason})

    def shadow(_: Any) -> Iterable[Observation]:
        for found in (loader.metrics() for loader in known):
            for outcome, count in _shadow_rows(found):
                yield _seen(count, {"model": found["name"], "outcome": outcome})

    def release(_: Any) -> Iterable[Observation]:
        for found in (loader.metrics() for loader in known):
            yield _seen(found["release"], {"model": found["name"]})

    dotted = PREFIX.replace("_", ".")
    meter.create_observable_counter(f"{dotted}.calls", [calls], description="Calls that ended.")
    meter.create_observable_counter(
        f"{dotted}.call.seconds", [seconds], unit="s", description="Time of all calls together."
    )
    meter.create_observable_counter(
        f"{dotted}.call.buckets", [buckets], description="Calls that took at most `le` seconds."
    )
    meter.create_observable_counter(
        f"{dotted}.fallbacks", [fallbacks], description="Artifacts given up, by reason."
    )
    meter.create_observable_counter(
        f"{dotted}.shadow.rows", [shadow], description="Rows answered by both models."
    )
    meter.create_observable_gauge(f"{dotted}.release", [release], description="The release served.")


def _seen(value: float, attributes: dict[str, Any]) -> Observation:
    from opentelemetry.metrics import Observation

    return Observation(value, attributes)


def _calls(loaders: Sequence[ModelLoader]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for loader in loaders:
        found = loader.metrics()
        for method, figures in found["calls"].items():
            yield found["name"], method, figures


def _buckets(figures: dict[str, Any]) -> Iterator[tuple[float, int]]:
    """(upper bound in seconds, calls that took at most so long), and all of them at infinity."""
    histogram = figures["histogram"]
    for bound in _BOUNDS:
        yield bound, max((count for below, count in histogram if below <= bound), default=0)
    yield float("inf"), figures["count"]


def _bound(seconds: float) -> str:
    return "+Inf" if seconds == float("inf") else repr(seconds)


def _shadow_rows(found: dict[str, Any]) -> Iterator[tuple[str, int]]:
    shadow = found["shadow"]
    if shadow is not None:
        yield "same", shadow["rows"] - shadow["differing"]
        yield "different", shadow["differing"]
