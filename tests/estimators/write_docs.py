"""docs/estimators.md, from what the tests of this package prove.

Run as `python -m tests.estimators.write_docs` after scikit-learn or a family has changed.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from sklearn.utils import all_estimators

from model_quantization.api import ModelQuantizer
from model_quantization.families import all_families, family_of
from tests.estimators.fitted import CANNOT, estimator_names, fitted

PATH = Path(__file__).parents[2] / "docs" / "estimators.md"

_TEXT = """\
# Which estimators

Every estimator that `sklearn.utils.all_estimators()` yields in scikit-learn 1.9 is fitted on
simple data, quantized by the exact recipe, written to a file and read back. Of {total} estimators,
**{proven}** answer with the same bits afterwards, both as the quantized model that `mq.load` gives
and as the estimator that its `restore()` gives (`tests/estimators/test_exact.py`).

At 8 and 16 bits each of them goes through the whole pipeline: child process, artifact, evaluation
of the written file, gate. Each is published, found to gain nothing, or falls back to its original
with the reason; none crashes, and none is left alone silently (`tests/estimators/test_depths.py`;
`make test` takes a third of them at 8 bits, `make test-all` all of them at every depth).

Meta-estimators, pipelines, models in dicts, lists, tuples and objects of your own are in
`tests/estimators/test_composites.py` and `test_containers.py`.

This page is written by `python -m tests.estimators.write_docs`, and a test holds it to be current.

## Those that cannot

{cannot}

## Answered without scikit-learn

Of the {asked} that answer rows ({methods}), **{fast}** answer every one of these methods from the
artifact's arrays, without scikit-learn, as they are fitted here; so do pipelines, tables and
models over models of those. The restored estimator answers the others, as quickly as the original:

| why | estimators |
|---|---|
{slow}

`explain()` of a loaded model says the same of that model, method by method.

## By family

The family says what the arrays of a model mean, and so which of them may be rounded. A model of
families inside a model that no family knows is treated part by part: the trees of a voting
classifier are trees. `generic` rounds floating-point arrays by the recipe and keeps everything else
exact; its verdict is the gate's.

LightGBM's, XGBoost's and CatBoost's estimators (the extra `boosters`) are forests where their trees
say all there is; otherwise their `Booster` stays in its own format ([forests](forests.md)).

Networks (`MLPClassifier`, `MLPRegressor`) that were rounded are answered in short numbers, and it
is known how far these are off. Codes of a byte are multiplied as they are stored, with inputs of 16
bits for labels and of 32 for probabilities and numbers; labels of networks with other weights come
of float32. A row whose label the bound leaves open is done again with longer numbers, at last in
float64, and a tie there is the restored estimator's.

| family | estimators |
|---|---|
{families}
"""


def document() -> str:
    """The page as it should be."""
    names = estimator_names()
    return _TEXT.format(
        total=len(names) + len(CANNOT),
        proven=len(names),
        cannot=_cannot(),
        families="\n".join(_families()),
        methods=", ".join(f"`{name}`" for name in _ANSWERS),
        **_speeds(),
    )


_ANSWERS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
    "transform",
)


def _speeds() -> dict[str, Any]:
    """How many estimators answer everything fast, and why the others do not."""
    asked, slow = 0, defaultdict(list)
    for name in estimator_names():
        found = [each for each in _explained(name) if each.method in _ANSWERS]
        asked += bool(found)
        whys = dict.fromkeys(each.why for each in found if not each.fast)
        if whys:
            some = any(each.fast for each in found)
            left = [f"`{each.method}`" for each in found if not each.fast]
            slow["; ".join(whys)].append(f"{name} ({', '.join(left)})" if some else name)
    for name in [why for why in slow if why.startswith("no family speaks for")]:
        slow["no family speaks for the class"] += slow.pop(name)
    rows = [f"| {why} | {', '.join(names)} |" for why, names in sorted(slow.items())]
    return {
        "asked": asked,
        "fast": asked - sum(len(names) for names in slow.values()),
        "slow": "\n".join(rows),
    }


def _explained(name: str) -> Sequence[Any]:
    """How the exact artifact of an estimator answers each of its methods."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made, _ = ModelQuantizer(recipe="exact").quantize_model(fitted(name).model)
    return made.explain().methods


_OTHERS = ("lightgbm", "xgboost", "catboost")


def _other_name(type_name: str) -> str:
    name = type_name.rpartition(":")[2]
    return f"{name} of {type_name.partition('.')[0]}" if name == "Booster" else name


def _cannot() -> str:
    if not CANNOT:
        return "None."
    rows = [f"| {name} | {reason} |" for name, reason in sorted(CANNOT.items())]
    return "\n".join(["| estimator | why |", "|---|---|", *rows])


def _families() -> Iterator[str]:
    order = [family.name for family in all_families() if family.name != "generic"] + ["generic"]
    owned = [
        (order.index(family_of(f"{cls.__module__}:{cls.__qualname__}").name), name)
        for name, cls in all_estimators()
        if name not in CANNOT
    ]
    owned += [
        (order.index(family.name), _other_name(type_name))
        for family in all_families()
        for type_name in family.types
        if type_name.partition(".")[0] in _OTHERS
    ]
    for position, group in groupby(sorted(owned), key=lambda pair: pair[0]):
        yield f"| {order[position]} | {', '.join(name for _, name in group)} |"


if __name__ == "__main__":
    PATH.write_text(document(), encoding="utf-8")
