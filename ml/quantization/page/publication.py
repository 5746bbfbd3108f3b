"""After a release: its history is recorded and `report.html` written beside the tables.

Both are by-products. What keeps them from being written is said in the log; the release stands.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from ml.quantization.durable import write_atomically
from ml.quantization.errors import ReleaseError
from ml.quantization.history import record_history
from ml.quantization.outcome import Outcome
from ml.quantization.page.page import render_page
from ml.quantization.publish import known_outcomes
from ml.quantization.release import Release

REPORT = "report.html"
_log = logging.getLogger(__name__)


def publish_page(output_dir: Path, release: Release, outcomes: Sequence[Outcome]) -> Path | None:
    """Where the page of `release` now is, or None when it could not be written.

    Call it inside `exclusive(output_dir)`, after publishing.

    Parameters
    ----------
    outcomes : sequence of Outcome
        This run's models; what is known of the others is read from the directory.
    """
    shown = {item.name: item for item in (*known_outcomes(output_dir), *outcomes)}
    path = output_dir / REPORT
    try:
        history = record_history(output_dir, release, shown.values())
        page = render_page(shown.values(), history, release=release.number, created=release.created)
        write_atomically(path, page.encode("utf-8", "backslashreplace"), flush=False)
    except (ReleaseError, OSError) as error:
        _log.warning("the report page was not written: %s", error)
        return None
    return path
