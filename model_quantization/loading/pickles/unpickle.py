"""The only unpickling there is: of the private copy that passed the scan, and nothing else."""

from __future__ import annotations

import inspect
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from model_quantization.errors import ScanMalformed
from model_quantization.graph.values import refusals
from model_quantization.loading.pickles.migrations.stand_ins import Readings


def unpickle_scanned(snapshot: Path, kind: str, where: str) -> tuple[Any, list[str]]:
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

    Raises
    ------
    ScanMalformed
        The model does not fit the installed libraries, or its values make no sense to them.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            readings = Readings()
            model = readings.finish(_load(snapshot, kind, readings))
            notes = readings.notes()
        except (pickle.UnpicklingError, EOFError, ImportError, AttributeError) as error:
            raise _unfit("the model does not load", where, error) from None
        except refusals(ValueError, TypeError, KeyError, IndexError) as error:
            what = "the model's state does not fit the installed classes"
            raise _unfit(what, where, error) from None
    return model, sorted({_first_line(warning.message) for warning in caught} | set(notes))


def _load(snapshot: Path, kind: str, readings: Readings) -> Any:
    make = _joblib_reader(snapshot, readings) if kind == "joblib" else _Reader
    with snapshot.open("rb") as file:
        return make(file, readings).load()


class _Reader(pickle.Unpickler):
    """Unpickles what other versions saved, in the form of the installed one."""

    def __init__(self, file: IO[bytes], readings: Readings) -> None:
        super().__init__(file)
        self._readings = readings

    def find_class(self, module: str, name: str) -> Any:
        found = self._readings.find(module, name)
        return super().find_class(module, name) if found is None else found


def _joblib_reader(snapshot: Path, readings: Readings) -> Callable[[IO[bytes], Readings], Any]:
    from joblib.numpy_pickle import NumpyUnpickler

    class Reader(NumpyUnpickler):  # type: ignore[misc, unused-ignore]
        def find_class(self, module: str, name: str) -> Any:
            found = readings.find(module, name)
            return super().find_class(module, name) if found is None else found

    # Since joblib 1.5 it asks what to do about arrays of another byte order.
    known = inspect.signature(NumpyUnpickler).parameters
    options = {"ensure_native_byte_order": True} if "ensure_native_byte_order" in known else {}
    return lambda file, _: Reader(str(snapshot), file, **options)


def _unfit(what: str, where: str, error: Exception) -> ScanMalformed:
    return ScanMalformed(
        what,
        where=where,
        got=f"{type(error).__name__}: {error}",
        do="load it with the library versions it was saved with, and save it again",
    )


def _first_line(message: Warning | str) -> str:
    return str(message).strip().split("\n", 1)[0][:200]
