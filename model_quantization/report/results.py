"""Results of the documented functions: plain dicts that display themselves in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from model_quantization.displayed import html_line, html_table
from model_quantization.numerals import as_known
from model_quantization.report.table import change_text, human_bytes, score_text, times_smaller


class FileResult(dict[str, Any]):
    """The result of `quantize_model_file`: one model's record."""

    def _repr_html_(self) -> str:
        rows = [("model", self.get("input_path", "-")), *_record_lines(self)]
        return html_table(rows) + _sentence(self.get("advice") or self.get("note"))


class DirectoryResult(dict[str, Any]):
    """The result of `batch_quantize_models`: `models` by name, and a `summary`."""

    def _repr_html_(self) -> str:
        models: Mapping[str, Mapping[str, Any]] = self.get("models", {})
        head = ("model", "family", "bits", "before", "after", "smaller", "score", "change")
        rows = [(name, *_cells(record)) for name, record in models.items()]
        advice = [record.get("advice") for record in models.values()]
        total = self.get("summary", {}).get("total", "")
        return html_table(rows, head=(*head, "verdict"), caption=total) + "".join(
            _sentence(sentence) for sentence in advice
        )


class Comparison(dict[str, Any]):
    """The result of `compare_model_performance`: figures of both models."""

    def _repr_html_(self) -> str:
        head = ("", "original", "quantized", "change")
        return html_table(figure_lines(self), head=head) + "".join(
            html_line(line) for line in comparison_notes(self)
        )


def figure_lines(figures: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield each figure of a comparison: its name, original, quantized, and the change.

    Parameters
    ----------
    figures : mapping
        The result of `compare_model_performance`. Unknown figures are shown as `-`.
    """
    first, second = figures["original"], figures["quantized"]

    def scored(name: str, *scores: Any) -> tuple[str, str, str, str]:
        known = [None if score is None else as_known(name, score) for score in scores]
        return line(name, (known[0], known[1]), _number)

    def line(
        label: str, values: tuple[Any, Any], show: Callable[[Any], str], change: str = ""
    ) -> tuple[str, str, str, str]:
        shown = ["-" if value is None else show(value) for value in values]
        return label, shown[0], shown[1], change

    metric, change = figures["metric"], figures["score_change"]
    if metric:
        shown = "" if change is None else f"{change:+.4g}"
        yield *scored(metric, first["score"], second["score"])[:3], shown
    for name, score in first["metrics"].items():
        if name != metric:
            yield scored(name, score, second["metrics"].get(name))
    sizes = first["size_bytes"], second["size_bytes"]
    smaller = times_smaller(*sizes) if None not in sizes else "-"
    yield line("size", sizes, human_bytes, "" if smaller == "-" else f"{smaller} smaller")
    for label, key, faster in (
        ("1 row (us)", "one_row_p50_us", figures["speedup_one_row"]),
        ("in batch (us)", "batch_p50_us", figures["speedup_batch"]),
    ):
        pair = tuple(side["latency"] and side["latency"][key] for side in (first, second))
        yield line(
            label, (pair[0], pair[1]), "{:,.1f}".format, f"{faster:.1f}x faster" if faster else ""
        )
    yield line("load (s)", (first["load_seconds"], second["load_seconds"]), "{:.3f}".format)
    yield line("memory", (first["resident_bytes"], second["resident_bytes"]), human_bytes)


def comparison_notes(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line per fact about both models' answers: agreement, differences, failures."""
    if figures["agreement"] is not None:
        yield f"same answers: {100 * figures['agreement']:.2f} % of {figures['rows']} rows"
    else:
        yield f"rows: {figures['rows']}"
    changed = {each["method"]: each["rows_changed"] for each in figures["evaluation"]["agreement"]}
    for method, difference in sorted(figures["largest_score_difference"].items()):
        if changed.get(method) and not difference:  # labels and text have no difference
            yield f"changed answers of {method}: {changed[method]:,} of {figures['rows']:,} rows"
        elif difference is not None:
            yield f"largest difference of {method}: {difference:.3g}"
    yield f"equal bit for bit: {'yes' if figures['bit_identical'] else 'no'}"
    for method, why in figures["failed"].items():
        yield f"failed: {method}: {why}"


def _record_lines(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    words = ("family", "bits", "before", "after", "smaller", "score", "change", "verdict")
    yield from zip(words, _cells(record), strict=True)
    if record.get("output_path"):
        yield "artifact", record["output_path"]


def _cells(record: Mapping[str, Any]) -> tuple[str, ...]:
    before, after = record["original_size_bytes"], record["quantized_size_bytes"]
    return (
        record["family"] or "-",
        record["bit_depth"] or "-",
        human_bytes(before) if before else "-",
        human_bytes(after) if after else "-",
        times_smaller(before, after),
        score_text(record["score_before"], record["score_after"], record["metric"]),
        change_text(record["score_change"]),
        record["verdict"],
    )


def _sentence(text: str | None) -> str:
    return html_line(text) if text else ""


def _number(value: float) -> str:
    return f"{value:.4g}"
