"""The data that every version of the corpus is fitted on and asked with, from numpy alone.

`RandomState` gives the same numbers in every numpy, and everything is rounded to three decimals,
so that rows need not be stored beside the answers. Runs on Python 3.8,
as scikit-learn 0.22 does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT, ASKED, WIDTH = 72, 14, 5
LABELS = ["low", "mid", "top"]
WORDS = [
    "cat",
    "dog",
    "bird",
    "tree",
    "house",
    "red",
    "green",
    "blue",
    "run",
    "sit",
    "fly",
    "eat",
    "small",
    "large",
    "café",
    "old",
]


def _numbers(seed: int, count: int) -> Any:
    return np.round(np.random.RandomState(seed).normal(size=(count, WIDTH)), 3)


def _texts(seed: int, count: int) -> list[str]:
    random = np.random.RandomState(seed)
    return [" ".join(random.choice(WORDS, size=random.randint(3, 9))) for _ in range(count)]


def _table(seed: int, count: int) -> dict[str, list[Any]]:
    random = np.random.RandomState(seed)
    numbers = np.round(random.normal(size=(count, 2)), 3)
    colours = np.array(["red", "green", "blue"], dtype=object)[random.randint(0, 3, size=count)]
    towns = np.array(["Oslo", "Rome", "Lima", "Bern"], dtype=object)[random.randint(0, 4, count)]
    return {
        "size": numbers[:, 0].tolist(),
        "weight": numbers[:, 1].tolist(),
        "colour": colours.tolist(),
        "town": towns.tolist(),
        "rooms": random.randint(1, 6, size=count).tolist(),
    }


def _with_gaps(values: Any, seed: int) -> Any:
    gaps = np.random.RandomState(seed).uniform(size=values.shape) < 0.15
    gaps[:, 0] = False
    return np.where(gaps, np.nan, values)


def _codes(seed: int, count: int) -> Any:
    return np.random.RandomState(seed).randint(0, 4, size=(count, 3)).astype(float)


def _bag(seed: int, count: int) -> list[dict[str, Any]]:
    table = _table(seed, count)
    return [{name: table[name][row] for name in ("colour", "rooms")} for row in range(count)]


def _frame(table: dict[str, list[Any]], *, categories: bool = False) -> Any:
    import pandas as pd

    frame = pd.DataFrame(table)
    for name in ("colour", "town"):
        if categories:
            frame[name] = pd.Categorical(frame[name], categories=sorted(set(frame[name])))
        else:
            frame[name] = frame[name].astype(object)
    return frame


def rows(name: str, *, fitted: bool = False) -> Any:
    """The rows called `name`: those that models are fitted on, or those they are asked.

    Parameters
    ----------
    name : {"numbers", "single", "counts", "gaps", "codes", "mixed", "positive", "texts", "bags",
            "frame", "categories", "strings", "sparse", "column", "labels", "sets"}
    fitted : bool
        The rows of the fit, rather than those that are asked.
    """
    seed, count = (1, COUNT) if fitted else (2, ASKED)
    numbers = _numbers(seed, count)
    made: dict[str, Callable[[], Any]] = {
        "numbers": lambda: numbers,
        "single": lambda: numbers.astype(np.float32),
        "positive": lambda: np.abs(numbers) + 0.25,
        "counts": lambda: np.random.RandomState(seed + 10).randint(0, 6, size=(count, WIDTH)),
        "gaps": lambda: _with_gaps(numbers, seed + 20),
        "codes": lambda: _codes(seed + 30, count),
        "mixed": lambda: np.hstack([numbers[:, :2], _codes(seed + 40, count)]),
        "texts": lambda: _texts(seed + 50, count),
        "bags": lambda: _bag(seed + 60, count),
        "frame": lambda: _frame(_table(seed + 70, count)),
        "categories": lambda: _frame(_table(seed + 70, count), categories=True),
        "strings": lambda: _strings(_table(seed + 70, count)),
        "sparse": lambda: _sparse(numbers),
        "column": lambda: numbers[:, 0],
        "labels": lambda: np.array(LABELS, dtype=object)[targets("three", seed, count)],
        "sets": lambda: _sets(seed + 80, count),
    }
    return made[name]()


def _strings(table: dict[str, list[Any]]) -> Any:
    return np.array([table["colour"], table["town"]], dtype=object).T


def _sparse(numbers: Any) -> Any:
    from scipy import sparse

    return sparse.csr_matrix(np.where(np.abs(numbers) > 0.6, numbers, 0.0))


def _sets(seed: int, count: int) -> list[tuple[Any, ...]]:
    random = np.random.RandomState(seed)
    kinds = np.array(["a", "b", "c", "d"], dtype=object)
    return [tuple(kinds[random.uniform(size=4) < 0.4]) for _ in range(count)]


def targets(name: str, seed: int = 1, count: int = COUNT) -> Any:
    """The target called `name` of the rows that models are fitted on.

    Parameters
    ----------
    name : {"two", "three", "text", "real", "positive", "counts", "outputs", "real_outputs",
            "labels"}
    """
    numbers = _numbers(seed, count)
    noise = np.round(np.random.RandomState(seed + 100).normal(size=(count, 2)), 3)
    score = np.round(numbers[:, 0] + 0.5 * numbers[:, 1] * numbers[:, 2] + 0.7 * noise[:, 0], 3)
    three = np.digitize(score, [-0.5, 0.5])
    made: dict[str, Callable[[], Any]] = {
        "two": lambda: (score > 0.1).astype(int),
        "three": lambda: three,
        "text": lambda: np.array(LABELS)[three],
        "real": lambda: score,
        "positive": lambda: np.round(np.exp(score / 2), 3) + 0.125,
        "counts": lambda: np.floor(np.exp(score / 2)).astype(int),
        "outputs": lambda: np.column_stack([three, (noise[:, 1] + numbers[:, 3] > 0).astype(int)]),
        "real_outputs": lambda: np.column_stack([score, np.round(noise[:, 1] + numbers[:, 3], 3)]),
        "labels": lambda: np.column_stack([three == 0, noise[:, 1] > 0, three == 2]).astype(int),
    }
    return made[name]()
