"""The only unpickling there is: of the private copy that passed the scan, and nothing else."""

from __future__ import annotations

import inspect
import pickle
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from model_quantization.errors import ScanMalformed
from model_quantization.graph.values import refusals


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
            model = _load(snapshot, kind)
            notes = _put_right(model)
        except (pickle.UnpicklingError, EOFError, ImportError, AttributeError) as error:
            raise _unfit("the model does not load", where, error) from None
        except refusals(ValueError, TypeError, KeyError, IndexError) as error:
            what = "the model's state does not fit the installed classes"
            raise _unfit(what, where, error) from None
    return model, sorted({_first_line(warning.message) for warning in caught} | set(notes))


def _load(snapshot: Path, kind: str) -> Any:
    try:
        if kind == "joblib":
            import joblib

            return joblib.load(snapshot)
        with snapshot.open("rb") as file:
            return pickle.load(file)
    except ValueError:  # among others: nodes of a tree that scikit-learn 1.2 wrote
        if "sklearn.tree._tree" not in sys.modules:
            raise
    make = _joblib_rescuer(snapshot) if kind == "joblib" else _Rescuer
    with snapshot.open("rb") as file:
        return make(file).load()


class _Rescuer(pickle.Unpickler):
    """Unpickles trees of the old format, too."""

    def find_class(self, module: str, name: str) -> Any:
        return _tree_or_none(module, name) or super().find_class(module, name)


def _tree_or_none(module: str, name: str) -> type | None:
    if (module, name) != ("sklearn.tree._tree", "Tree"):
        return None
    from model_quantization.loading.pickles.old_trees import rescuing_tree

    return rescuing_tree()


def _joblib_rescuer(snapshot: Path) -> Callable[[IO[bytes]], Any]:
    from joblib.numpy_pickle import NumpyUnpickler

    class Rescuer(NumpyUnpickler):  # type: ignore[misc, unused-ignore]
        def find_class(self, module: str, name: str) -> Any:
            return _tree_or_none(module, name) or super().find_class(module, name)

    # Since joblib 1.5 it asks what to do about arrays of another byte order.
    known = inspect.signature(NumpyUnpickler).parameters
    options = {"ensure_native_byte_order": True} if "ensure_native_byte_order" in known else {}
    return lambda file: Rescuer(str(snapshot), file, **options)


def _put_right(model: Any) -> list[str]:
    if "sklearn.tree._tree" not in sys.modules:
        return []
    from model_quantization.loading.pickles.old_trees import put_right

    return put_right(model)


def _unfit(what: str, where: str, error: Exception) -> ScanMalformed:
    return ScanMalformed(
        what,
        where=where,
        got=f"{type(error).__name__}: {error}",
        do="load it with the library versions it was saved with, and save it again",
    )


def _first_line(message: Warning | str) -> str:
    return str(message).strip().split("\n", 1)[0][:200]
