"""The only unpickling there is: of the private copy that passed the scan, and nothing else."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

from ml.quantization.errors import ScanMalformed


def unpickle_scanned(snapshot: Path, kind: str, where: str) -> tuple[Any, list[str]]:
    """The model in `snapshot`, and what its loading warned of, one line each.

    Parameters
    ----------
    snapshot : Path
        The copy that `scan` made and found harmless.
    kind : str
        "pickle" or "joblib", as the scan says.
    where : str
        The name of the file in messages.

    Raises
    ------
    ScanMalformed
        The model does not fit the installed libraries, or its values make no sense to them.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if kind == "joblib":
                import joblib

                model = joblib.load(snapshot)
            else:
                with snapshot.open("rb") as file:
                    model = pickle.load(file)
        except (pickle.UnpicklingError, EOFError, ImportError, AttributeError) as error:
            raise _unfit("the model does not load", where, error) from None
        except (ValueError, TypeError, KeyError, IndexError) as error:
            what = "the model's state does not fit the installed classes"
            raise _unfit(what, where, error) from None
    return model, sorted({_first_line(warning.message) for warning in caught})


def _unfit(what: str, where: str, error: Exception) -> ScanMalformed:
    return ScanMalformed(
        what,
        where=where,
        got=f"{type(error).__name__}: {error}",
        do="load it with the library versions it was saved with, and save it again",
    )


def _first_line(message: Warning | str) -> str:
    return str(message).strip().split("\n", 1)[0][:200]
