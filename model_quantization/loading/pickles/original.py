"""Unpickles an original in this process, for a loader's fallback.

Everywhere else only a child process unpickles. A loader cannot send every batch to a child, so
here the bytes that passed the scan, and no others, are loaded in place. docs/decisions/
0005-original-in-serving.md says when that is allowed.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

from model_quantization.errors import FallbackRefused
from model_quantization.extras import ESTIMATORS, need
from model_quantization.limits import Limits
from model_quantization.loading.pickles.scan import scan
from model_quantization.loading.pickles.unpickle import unpickle_scanned
from model_quantization.trust import TrustPolicy

logger = logging.getLogger(__name__)


def load_original(
    path: Path,
    *,
    sha256: str | None = None,
    trust: TrustPolicy | None = None,
    limits: Limits | None = None,
) -> tuple[Any, str]:
    """The model in `path`, which passed the scan, and the sha256 of the file it was read from.

    Parameters
    ----------
    path : Path
        A pickle, joblib or skops file.
    sha256 : str, optional
        What the release pins; None: any file that passes the scan.
    trust : TrustPolicy, optional
        Default: the shipped allow-list.
    limits : Limits, optional

    Raises
    ------
    FallbackRefused
        The file is not the one with this sha256.
    PathRefused, ScanRefused, ScanMalformed, LimitError
        It is not opened, or not loaded.
    MissingExtra
        scikit-learn is not installed.
    """
    need("an original model", *ESTIMATORS)
    with tempfile.TemporaryDirectory(prefix="original-") as workspace:
        scanned = scan(path, trust or TrustPolicy(), limits or Limits(), Path(workspace))
        if sha256 is not None and scanned.sha256 != sha256:
            raise FallbackRefused(
                "the original is not the one that the release pinned",
                where=str(path),
                expected=f"sha256 {sha256 or '(none: it was refused)'}",
                got=scanned.sha256,
                do="find out who replaced it, and run the quantization again",
            )
        model, warned = unpickle_scanned(
            scanned.snapshot,
            scanned.format,
            str(path),
            scanned.names,
            saved_by=scanned.sklearn_version,
        )
    for line in warned:
        logger.warning("%s: %s", path, line)
    return model, scanned.sha256
