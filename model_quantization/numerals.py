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


_NEGATED = frozenset({"log_loss"})


def as_known(metric: str, score: float) -> float:
    """Return a score as people know its metric: an error is positive, though less of it is better.

    Scores are compared with higher as better, so records hold errors negated. Where the name of a
    metric says so (`neg_mae`), it is written as it is kept.

    Examples
    --------
    >>> as_known("log_loss", -0.25), as_known("neg_mae", -3.0), as_known("accuracy", 0.5)
    (0.25, -3.0, 0.5)
    """
    return -score if metric in _NEGATED else score


def plural(count: int, word: str) -> str:
    """Return a number with its word.

    Examples
    --------
    >>> plural(1, "model"), plural(1200, "model")
    ('1 model', '1,200 models')
    """
    return f"{count:,} {word}{'' if count == 1 else 's'}"
