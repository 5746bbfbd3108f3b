"""JUnit XML of a run."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as Tree

import pytest

from model_quantization.commands.demo import main
from model_quantization.errors import ReleaseError
from model_quantization.outcome import Guarantee, Outcome, Status
from model_quantization.report.junit import junit_xml, write_junit
from tests.report.made import HOSTILE, make_outcome, make_outcomes


def kept(status: Status, **changes: object) -> Outcome:
    return make_outcome(
        str(status), status=status, guarantee=Guarantee.FALLBACK, artifact=None,
        reason="why", note="what happened", **changes,
    )  # fmt: skip


ALL = [
    make_outcome("good"),
    make_outcome("few_rows", guarantee=Guarantee.INCONCLUSIVE),
    make_outcome("unproven", status=Status.UNVERIFIED, guarantee=Guarantee.UNVERIFIED),
    *(kept(status) for status in Status if status is not Status.PUBLISHED),
]


def cases(data: bytes) -> dict[str | None, list[str]]:
    """What each test case holds besides its output."""
    return {
        case.get("name"): [child.tag for child in case if child.tag != "system-out"]
        for case in Tree.fromstring(data).iter("testcase")
    }


def test_each_verdict_is_a_kind_of_result() -> None:
    mild = {
        "good": [],
        "few_rows": ["skipped"],
        "unproven": ["skipped"],
        "unverified": ["skipped"],
        "no_gain": ["skipped"],
        "fallback": ["skipped"],
        "refused": ["error"],
        "failed": ["error"],
    }
    assert cases(junit_xml(ALL, strict=False)) == mild
    strict = mild | {"fallback": ["failure"], "unverified": ["failure"]}
    assert cases(junit_xml(ALL, strict=True)) == strict


def test_the_suite_counts_what_it_holds() -> None:
    (suite,) = Tree.fromstring(junit_xml(ALL, strict=True))
    counted = {key: suite.get(key) for key in ("tests", "errors", "failures", "skipped")}
    assert counted == {"tests": "8", "errors": "2", "failures": "2", "skipped": "3"}
    assert suite.get("name") == "quantize-models"
    assert suite.get("time") == f"{8 * 5.02:.3f}"


def test_a_case_says_why() -> None:
    (suite,) = Tree.fromstring(junit_xml([kept(Status.FALLBACK)], strict=True))
    (case,) = suite
    assert case.get("classname") == "quantize-models.linear"
    failure, output = case
    assert (failure.get("type"), failure.get("message")) == ("why", "what happened")
    assert failure.text == "what happened"
    assert output.text is not None and output.text.startswith("fallback fallback, 2.8 MB ->")


def test_a_run_without_a_release_is_an_error_of_its_own() -> None:
    data = junit_xml([], strict=False, error="another run is writing here")
    assert cases(data) == {"run": ["error"]}
    (suite,) = Tree.fromstring(data)
    assert (suite.get("tests"), suite.get("errors")) == ("1", "1")


@pytest.mark.parametrize("name", [HOSTILE, "a\x00b\x1b", "\udcff", "\ufffe", "模型"])
def test_any_name_and_note_is_well_formed(name: str) -> None:
    outcome = make_outcome(name, note=name, status=Status.FAILED, reason=name)
    (found,) = cases(junit_xml([outcome], strict=True))
    assert found is not None and len(found) >= len(name)


def test_the_same_outcomes_give_the_same_bytes(tmp_path: Path) -> None:
    outcomes = make_outcomes(30)
    write_junit(tmp_path / "new" / "junit.xml", outcomes, strict=True)
    assert (tmp_path / "new" / "junit.xml").read_bytes() == junit_xml(outcomes[::-1], strict=True)


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ReleaseError, match=r"junit\.xml: cannot be written"):
        write_junit(tmp_path / "file" / "junit.xml", ALL, strict=False)


def test_the_command_line_writes_it_beside_the_release_and_its_page(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "broken.pkl").write_bytes(b"no pickle")
    junit = tmp_path / "reports" / "junit.xml"
    code = main(["--model-dir", str(models), "--junit", str(junit), "--json"])
    assert code == 1
    assert cases(junit.read_bytes()) == {"broken": ["error"]}
    assert (models / "quantized" / "report.html").read_text("utf-8").count("<details>") == 1
    assert (models / "quantized" / "history.parquet").is_file()
