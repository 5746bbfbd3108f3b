"""Objects of pandas, scipy.stats and joblib, read as data, without running their code.

Their own unpickling trusts the file: scipy's runs source text from the state of a distribution, and
pandas' and pyarrow's follow positions and buffers without looking. So an unpickler gets stand-ins
in their place, which keep what the file says and make the object by its public constructor.
"""

from __future__ import annotations

import functools
from typing import Any, Final

from model_quantization.loading.pickles.read_as_data.distributions import distribution_reader
from model_quantization.loading.pickles.read_as_data.inert import inert_class
from model_quantization.loading.pickles.read_as_data.tables import table_reader
from model_quantization.trust import is_read_as_data

# All others of that heading are classes of scikit-learn's past: `migrations` reads those.
_READ_HERE: Final = ("joblib.", "numpy:vectorize", "pandas", "pathlib", "pyarrow.")


def keeps_state_as_data(name: str) -> bool:
    """Whether an object of this name takes its state by a method of this library, as data."""
    return is_read_as_data(name) and name.startswith(_READ_HERE)


def reader_of(name: str) -> Any:
    """The stand-in for this name; None for a name without one.

    Parameters
    ----------
    name : str
        `module:qualname`.
    """
    if name.startswith("scipy.stats.") and is_read_as_data(name):
        return distribution_reader(name)
    if not keeps_state_as_data(name):
        return None
    if name == "joblib.memory:Memory":
        return _memory_reader()
    return table_reader(name) or inert_class(name)


@functools.cache
def _memory_reader() -> type:
    """A stand-in for a memory; it stores nothing, as the file's memory names a directory.

    A later `fit` would unpickle whatever lies there.
    """
    from joblib.memory import Memory

    def set_state(self: Any, state: Any) -> None:
        self.__class__ = Memory
        vars(self).update(vars(Memory(None, verbose=0)))

    return type("Memory", (Memory,), {"__module__": Memory.__module__, "__setstate__": set_state})
