"""JUnit XML of a run: one test case per model, which continuous integration systems can show.

A failed or refused model is an error. In a strict run, one that falls short is a failure; otherwise
one that is not published is skipped, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as Tree

from model_quantization.files.atomic import write_atomically
from model_quantization.outcome import Guarantee, Outcome, Status, falls_short, verdict
from model_quantization.report.summary import describe
from model_quantization.report.table import order_outcomes

SUITE = "quantize-models"


def write_junit(path: Path, outcomes: Iterable[Outcome], *, strict: bool, error: str = "") -> None:
    """Write the JUnit XML of a run to `path`; see `junit_xml`.

    Raises
    ------
    ReleaseError
        It cannot be written.
    """
    write_atomically(path, junit_xml(outcomes, strict=strict, error=error), flush=False)


def junit_xml(outcomes: Iterable[Outcome], *, strict: bool, error: str = "") -> bytes:
    """One `<testsuite>` in UTF-8, worst news first; the same bytes for the same arguments.

    Parameters
    ----------
    outcomes : iterable of Outcome
    strict : bool
        Whether a model that missed the gate, or could not be evaluated, fails the run.
    error : str
        Why the run as a whole ended without a release; becomes a test case of its own.
    """
    suite = Tree.Element("testsuite", name=SUITE)
    counts = {"tests": 0, "errors": 0, "failures": 0, "skipped": 0}
    if error:
        case = Tree.SubElement(suite, "testcase", classname=SUITE, name="run", time="0.000")
        _add(case, "error", "run", error)
        counts["tests"] += 1
        counts["errors"] += 1
    seconds = 0.0
    for outcome in order_outcomes(outcomes):
        case = Tree.SubElement(
            suite,
            "testcase",
            classname=f"{SUITE}.{_legal(outcome.family) or 'unknown'}",
            name=_legal(outcome.name),
            time=f"{outcome.seconds:.3f}",
        )
        counts["tests"] += 1
        seconds += outcome.seconds
        if kind := _kind(outcome, strict=strict):
            _add(case, kind, outcome.reason or verdict(outcome), outcome.note or verdict(outcome))
            counts[{"error": "errors", "failure": "failures"}.get(kind, kind)] += 1
        Tree.SubElement(case, "system-out").text = _legal(describe(outcome))
    for name, count in counts.items():
        suite.set(name, str(count))
    suite.set("time", f"{seconds:.3f}")
    root = Tree.Element("testsuites")
    root.append(suite)
    Tree.indent(root)
    text: bytes = Tree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _kind(outcome: Outcome, *, strict: bool) -> str:
    """`error`, `failure`, `skipped`, or empty for a test that passed."""
    if outcome.status in (Status.FAILED, Status.REFUSED):
        return "error"
    if falls_short(outcome, strict=strict):
        return "failure"
    proven = outcome.status is Status.PUBLISHED and outcome.guarantee is not Guarantee.INCONCLUSIVE
    return "" if proven else "skipped"


def _add(case: Tree.Element, kind: str, reason: str, note: str) -> None:
    found = Tree.SubElement(case, kind, message=_legal(note))
    if kind != "skipped":  # the schema has no type for it
        found.set("type", _legal(reason))
        found.text = _legal(note)


def _legal(text: str) -> str:
    """`text` with escapes for characters that XML does not allow."""
    return "".join(char if _is_legal(char) else ascii(char)[1:-1] for char in text)


def _is_legal(char: str) -> bool:
    """Whether XML 1.0 allows the character (section 2.2)."""
    code = ord(char)
    return (
        char in "\t\n\r"
        or 0x20 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or 0x10000 <= code <= 0x10FFFF
    )
