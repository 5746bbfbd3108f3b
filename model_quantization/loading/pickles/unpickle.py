"""The only place that unpickles: it reads the private copy that passed the scan."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

from model_quantization.errors import (
    QuantizationError,
    ScanMalformed,
    ScanRefused,
    SemanticError,
)
from model_quantization.graph.values import refusals
from model_quantization.loading.pickles.migrations.names import UFUNC, current_name
from model_quantization.loading.pickles.migrations.stand_ins import Readings
from model_quantization.loading.pickles.names import todays_name
from model_quantization.loading.pickles.read_as_data import reader_of
from model_quantization.trust import how_to_trust


def unpickle_scanned(
    snapshot: Path,
    kind: str,
    where: str,
    names: Collection[str],
    *,
    saved_by: str | None = None,
) -> tuple[Any, list[str]]:
    """The model in `snapshot`, and what its loading warned of or put right, one line each.

    Trees that older versions of scikit-learn wrote are brought to today's format, which it refuses
    to do itself, or serves wrongly (`rescued_trees`).

    Parameters
    ----------
    snapshot : Path
        The copy that `scan` made and found harmless.
    kind : str
        "pickle" or "joblib", as the scan says.
    where : str
        The name of the file in messages.
    names : collection of str
        What the scan saw the file name. Nothing else is imported, whatever the file is taken for.
    saved_by : str, optional
        The version of scikit-learn that the scan saw, for messages.

    Raises
    ------
    ScanRefused
        The file names something that the scan did not see.
    ScanMalformed
        The model does not fit the installed libraries, or its values make no sense to them.
    """
    readings = Readings()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = readings.finish(_load(snapshot, kind, names, readings))
            notes = readings.notes()
        except SemanticError as error:  # C code would follow it: nobody may ask this model
            fields = error.fields() | {"do": "do not use this file"}
            raise ScanRefused(**fields).at(where) from None
        except QuantizationError:
            raise
        except (pickle.UnpicklingError, EOFError, ImportError, AttributeError) as error:
            raise _unfit("the model does not load", where, error, names, saved_by) from None
        except refusals(ValueError, TypeError, KeyError, IndexError) as error:
            what = "the model's state does not fit the installed classes"
            raise _unfit(what, where, error, names, saved_by) from None
    return model, sorted({_first_line(warning.message) for warning in caught} | set(notes))


def _load(snapshot: Path, kind: str, names: Collection[str], readings: Readings) -> Any:
    """Read the file; what other versions saved is brought into the form of the installed one."""
    make = _joblib_reader(snapshot) if kind == "joblib" else pickle.Unpickler

    class Reader(make):  # type: ignore[misc, valid-type, unused-ignore]
        def find_class(self, module: str, name: str) -> Any:
            module, name = todays_name(module, name)
            full = current_name(f"{module}:{name}")
            if full not in names:
                raise ScanRefused(
                    f"{full} is asked for, and the scan did not see it",
                    do="do not open this file",
                )
            if full == UFUNC:
                return self.find_class
            stand_in = reader_of(full)
            if stand_in is None:
                stand_in = readings.find(full)
            return super().find_class(module, name) if stand_in is None else stand_in

    with snapshot.open("rb") as file, readings.reading():
        return Reader(file).load()


def _joblib_reader(snapshot: Path) -> type:
    from joblib.numpy_pickle import NumpyUnpickler

    # Since joblib 1.6 it has arrays of objects read with this reader's `find_class`.
    class JoblibReader(NumpyUnpickler):  # type: ignore[misc, unused-ignore]
        def __init__(self, file: IO[bytes]) -> None:
            super().__init__(str(snapshot), file, ensure_native_byte_order=True)

    return JoblibReader


def _unfit(
    what: str, where: str, error: Exception, names: Collection[str], saved_by: str | None
) -> ScanMalformed:
    there = f"scikit-learn {saved_by}" if saved_by else "the versions that saved it"
    do = (
        f"install this library beside {there}, and quantize the file there: the artifact is read "
        "everywhere"
    )
    scripted = sorted(name for name in names if name.startswith("__main__:"))
    return ScanMalformed(
        f"{what} (saved by scikit-learn {saved_by})" if saved_by else what,
        where=where,
        got=f"{type(error).__name__}: {error}",
        do=how_to_trust(*scripted) if scripted else do,
    )


def _first_line(message: Warning | str) -> str:
    return str(message).strip().split("\n", 1)[0][:200]
