"""Objects of pandas and scipy.stats, read as data: nothing that a file says of them is run.

Their own unpickling trusts the file: scipy's runs source text from the state of a distribution, and
pandas' and pyarrow's follow positions and buffers without looking. So an unpickler gets stand-ins
in their place, which keep what the file says and make the object by its public constructor.
"""

from __future__ import annotations

from typing import Any

from model_quantization.loading.pickles.read_as_data.distributions import distribution_reader
from model_quantization.loading.pickles.read_as_data.held import held_class
from model_quantization.loading.pickles.read_as_data.tables import table_reader
from model_quantization.trust import is_read_as_data


def reader_of(name: str) -> Any:
    """What an unpickler gets for this name; None for names that mean what they say.

    Parameters
    ----------
    name : str
        `module:qualname`.
    """
    if not is_read_as_data(name):
        return None
    return distribution_reader(name) or table_reader(name) or held_class(name)
