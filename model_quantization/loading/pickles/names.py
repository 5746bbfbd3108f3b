"""How a name in a pickle becomes `module:qualname`: one rule for the scanner and the loader.

Unpicklers translate the names of Python 2 by the protocol of the pickle they read. joblib reads an
object array's inner pickle with the names of the outer one, so a file could have two protocols and
two meanings for one name. Here the protocol plays no part: a name of Python 2 always means today's.
"""

from __future__ import annotations

from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from typing import Final

_UFUNCS: Final = ("scipy.special._special_ufuncs", "scipy.special._ufuncs")


def todays_name(module: str, qualname: str) -> tuple[str, str]:
    """The module and the name in it that a pickle means.

    Examples
    --------
    >>> todays_name("__builtin__", "list")
    ('builtins', 'list')
    >>> todays_name("builtins", "list")
    ('builtins', 'list')
    """
    if module in _UFUNCS:  # private modules, which differ between releases of scipy
        return "scipy.special", qualname
    module, qualname = NAME_MAPPING.get((module, qualname), (module, qualname))
    return IMPORT_MAPPING.get(module, module), qualname
