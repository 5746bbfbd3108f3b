"""How numbers are written for people."""

from __future__ import annotations


def fixed(value: float, digits: int = 4) -> str:
    """Return a number with `digits` decimal places, and no minus before a zero.

    Examples
    --------
    >>> fixed(-0.00001), fixed(-0.25, 2)
    ('0.0000', '-0.25')
    """
    return f"{round(value, digits) + 0.0:.{digits}f}"


def plural(count: int, word: str) -> str:
    """Return a number with its word.

    Examples
    --------
    >>> plural(1, "model"), plural(1200, "model")
    ('1 model', '1,200 models')
    """
    return f"{count:,} {word}{'' if count == 1 else 's'}"
