"""The sections of the benchmarks page: a heading, what the figures are, and the table of each."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import peers_page
from benchmarks.page_tables import (
    by_side,
    demo_table,
    everyday_table,
    gate_table,
    kilobytes,
    lines_of,
    markdown,
    number,
    precision_table,
    result,
    whole,
    zoo_table,
)

SIZES_AND_TIMES = {
    "bytes": kilobytes,
    "one_row_us": number,
    "batch_us_per_row": number,
    "load_ms": number,
    "resident_mb": number,
}
# File -> heading, what the figures are, and the table.
SECTIONS: dict[str, tuple[str, str, Callable[[], str]]] = {
    "demo.json": (
        "The demo's models",
        "`make demo` trains real models of 17 kinds and runs the gate over them. "
        "[What a run writes](results.md#the-table) explains the columns.",
        demo_table,
    ),
    "forest.json": (
        "Forests",
        "A1 and A2 are random forests, B1 is histogram boosting, B2 gradient boosting; peers are "
        "scikit-learn itself, ONNX Runtime "
        "and treelite. [Forests](forests.md) says what is stored.\n\n"
        "![Bytes per node of four models, here and in other formats](pictures/forests.png)",
        lambda: by_side("forest.json", SIZES_AND_TIMES),
    ),
    "boosters.json": (
        "LightGBM, XGBoost and CatBoost",
        "Each library answers its own model in one column's first lines; `qma` is the "
        "artifact at each precision.",
        lambda: by_side(
            "boosters.json",
            {k: SIZES_AND_TIMES[k] for k in ("bytes", "one_row_us", "batch_us_per_row")},
        ),
    ),
    "peers.json": (
        peers_page.HEADING,
        peers_page.WORDS,
        lambda: peers_page.table(result("peers.json"), markdown, number),
    ),
    "text.json": (
        "Text models",
        "Four models of TF-IDF and logistic regression. KB are kibibytes here, times of "
        "one message and of one "
        "document in a batch are microseconds.\n\n"
        "![File sizes, and the time for one message, before and after](pictures/text.png)",
        lambda: lines_of(
            result("text.json"),
            {
                "model": str,
                "pickle_kb": number,
                "lzma9_kb": number,
                "exact_kb": number,
                "int8_kb": number,
                "one_sklearn_us": number,
                "one_us": number,
                "batch_sklearn_us": number,
                "batch_us": number,
                "load_sklearn_ms": number,
                "load_qma_ms": number,
            },
        ),
    ),
    "linear.json": (
        "A linear model",
        "784 features, 10 classes; microseconds of scikit-learn and of the artifact, and "
        "their ratio.",
        lambda: whole("linear.json"),
    ),
    "everyday.json": (
        "Everyday models",
        "Methods answered without scikit-learn, and how many times as fast the exact artifact "
        "answers one row and a batch. [Everyday models](everyday.md) explains.",
        everyday_table,
    ),
    "lossless.json": (
        "Without rounding",
        "Bytes of the pickle, of the pickle with lzma, and of the exact artifact; "
        "milliseconds to load and answer.",
        lambda: lines_of(
            result("lossless.json"),
            {
                "model": str,
                "family": str,
                "pickle_bytes": kilobytes,
                "lzma_bytes": kilobytes,
                "artifact_bytes": kilobytes,
                "joblib_answer_ms": number,
                "artifact_answer_ms": number,
            },
        ),
    ),
    "precision.json": (
        "A precision per part",
        "`auto` beside 8 bits. Loss on unseen rows is that of a third of the rows that nothing "
        "else has seen; the bound is the gate's. [Precision](precision.md) says how `auto` works.",
        precision_table,
    ),
    "zoo.json": (
        "A zoo of everyday models",
        "`auto` on models of many kinds, with 800 to 4,500 held-out rows: rounded at a proven "
        "loss (`non_inferior`, `label_exact`), exact where no rounded one was proven or smaller, "
        "and `no_gain` where a pickle of 1 KB is smaller than any artifact.",
        zoo_table,
    ),
    "gate.json": (
        "What the gate publishes",
        "Simulated artifacts that lose something must be published in at most one case of "
        "twenty; faithful ones "
        "often. [The proof](proof.md) says how the gate decides.",
        gate_table,
    ),
    "probes.json": (
        "The share of probe rows",
        "Seconds of one model's run with and without probe rows.",
        lambda: lines_of(
            result("probes.json")["models"],
            {
                "model": str,
                "rows": number,
                "rest_seconds": number,
                "probe_seconds": number,
                "share": number,
            },
        ),
    ),
    "operations.json": ("A flow over a thousand models", "", lambda: whole("operations.json")),
    "flow_overhead.json": (
        "What the flow adds to a plain loop",
        "",
        lambda: whole("flow_overhead.json"),
    ),
    "runners.json": ("Dask against threads", "", lambda: whole("runners.json")),
    "runners_ray.json": ("Ray against threads", "", lambda: whole("runners_ray.json")),
    "memory.json": ("Memory over many models", "", lambda: whole("memory.json")),
    "loader_under_load.json": (
        "A loader under load",
        "Eight threads ask while models are switched and releases are published.",
        lambda: whole("loader_under_load.json"),
    ),
    "serving_metrics.json": (
        "What metrics cost a call",
        "Nanoseconds.",
        lambda: whole("serving_metrics.json"),
    ),
}
