"""As a user does: open the form, change values, start the run, read its table."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient

from model_quantization.release.manifest import read_release
from model_quantization.report.summary import CSV_COLUMNS
from tests.operations import pages
from tests.operations.conftest import Operations, begun_runs, new_run, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(pages.why_no_browser()), reason=pages.why_no_browser()),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
RUN_SECONDS = 240


def test_the_form_starts_a_run_with_changed_values(
    operations: Operations, client: SyncPrefectClient, config: Path
) -> None:
    url = operations.server.url
    deployment = client.read_deployment_by_name("quantize-models/manual").id
    earlier = {run.id for run in begun_runs(client)}
    with pages.browser_page() as page:
        pages.open_form(page, url, deployment)
        text = page.inner_text("form")
        for title in ("Model directory", "Bit depth", "Weight threshold", "Allowed drop", "Force"):
            assert title in text
        assert "Name patterns" in text
        assert "Largest loss of the held-out score" in text
        assert "At least 0, at most 1." in text
        assert "One-sided error probability" in text  # of the nested gate

        page.get_by_label("Configuration").fill(str(config))
        pages.choose(page, "Bit depth", "16")
        page.get_by_label("Alpha").fill("0.7")
        pages.submit(page)
        page.get_by_text("0.7 is greater than or equal to the maximum of 0.5").first.wait_for()

        page.get_by_label("Alpha").fill("0.04")
        pages.submit_until_taken(page)
        run = wait_for(
            lambda: (run := new_run(client, earlier)) and run.state.is_final() and run, RUN_SECONDS
        )
        assert run.state.is_completed(), run.state
        pages.open_run(page, url, run.id, tab="Artifacts")
        page.get_by_text("quantization-summary", exact=True).first.wait_for()
        artifact = next(
            item.id
            for item in client.read_artifacts()
            if item.flow_run_id == run.id and item.key == "quantization-summary"
        )
        pages.open_artifact(page, url, artifact)
        headers = [cell.strip() for cell in page.get_by_role("columnheader").all_inner_texts()]
        cells = page.get_by_role("table").first.inner_text()
    assert set(CSV_COLUMNS) <= set(headers)
    assert "linear" in cells
    assert "eu/price" in cells
    assert run.parameters["bit_depth"] == "16"
    assert run.parameters["more"] == {"gate": {"alpha": 0.04}}
    release = read_release(config.parent / "models" / "quantized")
    assert {model.bit_depth for model in release.models.values()} == {"16"}
