"""Outcomes and histories made by hand: as many as wanted, every kind among them."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from model_quantization.evaluation.checks import Check, CheckName, Finding
from model_quantization.outcome import Guarantee, Outcome, Status
from model_quantization.release.manifest import Release
from model_quantization.report.history import HistoryRow

HOSTILE = '<img src=x onerror="document.title=1">$x^2$&amp;\u202e@00000@</script><script>1</script>'
_FAMILIES = {
    "linear": ["LogisticRegression", "LinearSVC", "Ridge"],
    "text": ["TfidfVectorizer", "CountVectorizer"],
    "forest": ["RandomForestClassifier", "ExtraTreesRegressor", "HistGradientBoostingClassifier"],
    "neural": ["MLPClassifier"],
    "scaler": ["StandardScaler", "MinMaxScaler"],
    "generic": ["GaussianProcessRegressor"],
    "neighbors": ["KNeighborsClassifier"],
    "bayes": ["GaussianNB"],
}
_KINDS = [
    (0.42, Status.PUBLISHED, Guarantee.LABEL_EXACT, ""),
    (0.25, Status.PUBLISHED, Guarantee.EXACT, ""),
    (0.16, Status.PUBLISHED, Guarantee.NON_INFERIOR, ""),
    (0.02, Status.PUBLISHED, Guarantee.INCONCLUSIVE, ""),
    (0.06, Status.NO_GAIN, Guarantee.FALLBACK, "no_gain"),
    (0.05, Status.FALLBACK, Guarantee.FALLBACK, "gate"),
    (0.02, Status.UNVERIFIED, Guarantee.UNVERIFIED, "unverified"),
    (0.01, Status.REFUSED, Guarantee.FALLBACK, "hostile_file"),
    (0.01, Status.FAILED, Guarantee.FALLBACK, "worker_crashed"),
]


def make_outcome(name: str, **changes: Any) -> Outcome:
    """A published model with all its evidence, but for `changes`."""
    outcome = Outcome(
        name=name,
        source=f"/models/{name}.pkl",
        status=Status.PUBLISHED,
        guarantee=Guarantee.LABEL_EXACT,
        note="no prediction changed on 4,242 rows: at most 0.07% of new ones do (95% sure)",
        source_sha256="a" * 64,
        source_size_bytes=2_806_559,
        family="linear",
        model_type="Pipeline(TfidfVectorizer, LogisticRegression)",
        bit_depth="8",
        weight_threshold=0.001,
        artifact=f"objects/{'b' * 64}.qma",
        artifact_sha256="b" * 64,
        artifact_size_bytes=177_766,
        metric="accuracy",
        score_before=0.7817,
        score_after=0.7817,
        score_change=0.0,
        latency_us_before=939.9,
        latency_us_after=30.7,
        components=[
            _component("text", "TfidfVectorizer", 2_601_797, 131_976),
            _component("linear", "LogisticRegression", 668_652, 45_790),
        ],
        evaluation=_evaluation(0.0),
        seconds=5.02,
    )
    return replace(outcome, **changes)


def make_outcomes(count: int, seed: int = 0) -> list[Outcome]:
    """`count` models of every kind, the same for the same arguments."""
    draw = random.Random(seed)
    return [_any_outcome(index, draw) for index in range(count)]


def make_history(outcomes: list[Outcome], releases: int) -> list[HistoryRow]:
    """The rows of `releases` releases that led to `outcomes`."""
    rows = []
    for release in range(1, releases + 1):
        draw = random.Random(release)
        part = outcomes[: max(1, round(len(outcomes) * (0.6 + 0.4 * release / releases)))]
        for item in part:
            failed = draw.random() < 0.04 * (releases - release) / releases
            rows.append(
                HistoryRow(
                    name=item.name,
                    release=release,
                    created=f"2026-11-{release % 28 + 1:02d}T02:00:03Z",
                    status=Status.FAILED if failed else item.status,
                    guarantee=item.guarantee,
                    reason=item.reason,
                    published=item.published and not failed,
                    size_before_bytes=item.source_size_bytes,
                    size_after_bytes=item.artifact_size_bytes,
                    score_change=item.score_change,
                )
            )
    return rows


def make_release(directory: Path, number: int = 1) -> Release:
    """A release of no models; the history only takes its number and time."""
    return Release(directory, number, f"2026-11-{number % 28 + 1:02d}T02:00:03Z", {})


def _any_outcome(index: int, draw: random.Random) -> Outcome:
    weights = [kind[0] for kind in _KINDS]
    _, status, guarantee, reason = draw.choices(_KINDS, weights)[0]
    family = draw.choice(list(_FAMILIES))
    kind = draw.choice(_FAMILIES[family])
    area = draw.choice(["churn", "intent", "fraud", "price", "risk", "spam", "demand"])
    name = f"{area}_{draw.choice(['eu', 'us', 'apac', 'latam'])}_{family}_{index:04d}"
    size = int(10 ** draw.gauss(5.6, 0.8)) + 500
    after = max(300, int(size / 10 ** abs(draw.gauss(1.0, 0.5))))
    score = draw.uniform(0.6, 0.99)
    change = 0.0
    if guarantee is Guarantee.NON_INFERIOR:
        change = round(draw.gauss(0, 0.0012), 5)
    before_us = 10 ** draw.gauss(2.8, 0.6)
    changes: dict[str, Any] = {}
    if status is Status.FALLBACK:
        change = -(10 ** draw.uniform(-2, 0.5))
        changes["note"] = (
            f"accuracy {score:.4f} -> {score + change:.4f} on 4,242 rows, a loss of {-change:.4g} "
            "where 0.005 is allowed; try more bits, a lower weight threshold or the exact recipe"
        )
    elif status is Status.NO_GAIN:
        size, after = 1_200, 1_500
        changes["note"] = "original kept: the artifact has 1,500 bytes, the original 1,200"
    elif status in (Status.REFUSED, Status.FAILED):
        changes = {
            "note": f"{name}.pkl: byte 2 (GLOBAL): posix:system is not on the allow-list; this "
            "file runs programs when it is opened: do not open it."
            if status is Status.REFUSED
            else "the worker died (signal 9: out of memory?); the next run tries again.",
            "components": [],
            "evaluation": {"error": {"name": "X", "fields": {"what": "it died", "where": name}}},
            "artifact_size_bytes": 0,
            "score_before": None,
            "latency_us_before": None,
            "family": "",
            "model_type": "",
        }
    published = status is Status.PUBLISHED
    parts = [_component(family, kind, size, after - after // 4)]
    parts.append(_component("scaler", "StandardScaler", size // 9, after // 4))
    scored = status not in (Status.UNVERIFIED, Status.REFUSED, Status.FAILED)
    return make_outcome(
        name,
        **{
            "status": status,
            "guarantee": guarantee,
            "reason": reason,
            "family": family,
            "model_type": f"Pipeline(StandardScaler, {kind})",
            "artifact": f"objects/{index:064x}.qma" if published else None,
            "source_size_bytes": size,
            "artifact_size_bytes": after,
            "score_before": score if scored else None,
            "score_after": score + change if scored else None,
            "score_change": change if scored else None,
            "latency_us_before": before_us,
            "latency_us_after": before_us / 10 ** draw.gauss(1.1, 0.5) if scored else None,
            "components": parts,
            "evaluation": _evaluation(change) if scored else {},
            **changes,
        },
    )


def _component(family: str, kind: str, before: int, after: int) -> dict[str, Any]:
    return {
        "path": f"steps/{kind.lower()}",
        "type": f"sklearn.somewhere:{kind}",
        "family": family,
        "scheme": "int8/channel, exact",
        "bytes_before": before,
        "bytes_after": after,
        "reason": "coef_: weight: int8/channel in recipe 8",
    }


def _evaluation(change: float) -> dict[str, Any]:
    loss = max(-change, 0.0)

    def check(name: str, limit: float, value: float, seen: float | None = None) -> dict[str, Any]:
        finding = "held" if -change <= limit else "lost"
        return Check(CheckName(name), limit, value, Finding(finding), seen).to_json()

    checks = [
        check("loss", 0.005, loss + 0.001, loss),
        check("class_recall", 0.05, loss + 0.01, loss),
        check("probability_shift", 0.05, loss),
        Check(CheckName.ROWS, 30, 4242, Finding.HELD).to_json(),
        Check(CheckName.SIZE_REDUCTION, 0.02, 0.936, Finding.HELD).to_json(),
    ]
    latency = {"one_row_p50_us": 939.9, "one_row_p99_us": 5197.3, "batch_p50_us": 71.97}
    return {
        "rows": 4242,
        "task": "classification",
        "metric": "accuracy",
        "method": "exact paired binomial",
        "labels_changed": math.ceil(abs(change) * 4242),
        "flip_bound": 0.0007,
        "latency_before": latency,
        "latency_after": {name: value / 30 for name, value in latency.items()},
        "agreement": [
            {"method": name, "identical": False, "rows_changed": 13, "largest_difference": 0.0144}
            for name in ("predict", "predict_proba", "decision_function")
        ],
        "verdict": {"checks": checks},
        "worst_class": None,
        "notes": [],
    }
