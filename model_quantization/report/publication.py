"""Reports of a release, written beside it: tables, history and the report page.

Call `write_reports` after `release.publish` or `release.rollback`, under the same lock.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from model_quantization.errors import MissingExtra, ReleaseError
from model_quantization.files.atomic import write_atomically
from model_quantization.outcome import Outcome
from model_quantization.release.known import known_outcomes
from model_quantization.release.manifest import Release
from model_quantization.report.history import read_history, record_history
from model_quantization.report.page.document import render_page
from model_quantization.report.run_facts import RunFacts
from model_quantization.report.summary import summary_csv, summary_markdown

REPORT = "report.html"
_log = logging.getLogger(__name__)


def write_reports(
    output_dir: Path,
    release: Release,
    outcomes: Sequence[Outcome],
    facts: RunFacts | None = None,
) -> Path | None:
    """Write the tables and the page of `release`; return the page's path.

    The tables must be written. History and page are extras: an error that prevents one is logged,
    and the release stands; without a page, None is returned.

    Parameters
    ----------
    output_dir : Path
        The release's directory. The caller holds its lock (`exclusive`).
    release : Release
    outcomes : sequence of Outcome
        This run's models; those of the others are read from the directory.
    facts : RunFacts, optional
        What the page says of the run; nothing after a rollback.

    Raises
    ------
    ReleaseError
        A table cannot be written: full disk, read-only directory.
    """
    known = {item.name: item for item in (*known_outcomes(output_dir), *outcomes)}
    shown = list(known.values())
    write_atomically(output_dir / "summary.csv", summary_csv(shown).encode())
    write_atomically(output_dir / "summary.md", summary_markdown(shown).encode())
    path = output_dir / REPORT
    try:
        history = record_history(output_dir, release, shown)
    except (ReleaseError, OSError) as error:
        _log.warning("the history was not written: %s", error)
        history = read_history(output_dir)
    try:
        page = render_page(
            shown, history, release=release.number, created=release.created, facts=facts
        )
        write_atomically(path, page.encode("utf-8", "backslashreplace"), flush=False)
    except (MissingExtra, ReleaseError, OSError) as error:
        _log.warning("the report page was not written: %s", error)
        return None
    return path
