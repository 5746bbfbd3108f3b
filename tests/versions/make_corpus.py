"""Make the corpus of one old version: run it in an environment that has that scikit-learn.

    venv/bin/python tests/versions/make_corpus.py tests/versions/corpus --small

Fits every kind on small data, saves it as a pickle or a joblib file (protocols and compressions
take turns), loads it again as that version would, and writes what it answers then. The result is
`<corpus>/sklearn-<version>.tar.xz`: the files, `answers.npz`, and `index.json`.
"""

from __future__ import annotations

import importlib
import io
import json
import pickle
import platform
import sys
import tarfile
import warnings
import zlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.versions.kinds import Kind, all_kinds
from tests.versions.rows import rows, targets

METHODS = ("predict", "predict_proba", "decision_function", "transform", "score_samples")
# Plain files compress together; the others are there because people write them.
WRITERS = (("pickle 4", None), ("joblib", 0), ("pickle 5", None), ("pickle 2", None))
RARE_WRITERS = (
    ("joblib", 3), ("pickle 0", None), ("joblib", ("gzip", 3)), ("pickle 3", None),
    ("joblib", ("lzma", 3)), ("joblib", ("bz2", 3)), ("pickle 1", None),
)  # fmt: skip
EVERY = 16
LARGEST_BYTES = 8_000  # compressed, of a file in the small corpus


def written(model: Any, number: int) -> tuple[str, bytes]:
    """How the model is saved, and the bytes of the file."""
    rare, turn = divmod(number, EVERY)
    writers = RARE_WRITERS if turn == EVERY - 1 else WRITERS
    form, compress = writers[(rare if turn == EVERY - 1 else number) % len(writers)]
    if form == "joblib":
        stream = io.BytesIO()
        joblib.dump(model, stream, compress=compress)
        return f"joblib {compress}", stream.getvalue()
    return form, pickle.dumps(model, int(form.split()[1]))


def flat(answer: Any) -> list[Any]:
    """The answer as plain arrays: texts as unicode, sparse ones dense, lists as their parts."""
    if isinstance(answer, (list, tuple)):
        return [part for each in answer for part in flat(each)]
    if hasattr(answer, "toarray"):
        answer = answer.toarray()
    array = np.asarray(answer)
    return [array.astype(str) if array.dtype.kind == "O" else array]


def answers_of(model: Any, asked: Any) -> dict[str, Any]:
    """What the model answers by each method that it has."""
    found: dict[str, Any] = {}
    for method in METHODS:
        call = getattr(model, method, None)
        if call is None:
            continue
        try:
            given = call(asked)
        except (ValueError, TypeError, NotImplementedError, AttributeError, KeyError):
            continue  # not with these rows: an unknown category, an output that has none
        for number, array in enumerate(flat(given)):
            found[f"{method}.{number}"] = array
    return found


def fitted(kind: Kind) -> Any:
    """The model, fitted on the rows of its kind."""
    given = rows(kind.rows, fitted=True)
    truth = targets(kind.target) if kind.target else None
    model = kind.make()
    if kind.prepare is not None:
        return kind.prepare(model, given, truth)
    return model.fit(given) if truth is None else model.fit(given, truth)


def versions() -> dict[str, str]:
    """The versions of the libraries that the models hold parts of."""
    found = {"python": platform.python_version()}
    for name in ("sklearn", "numpy", "scipy", "pandas", "joblib", "lightgbm", "xgboost"):
        try:
            found[name] = importlib.import_module(name).__version__
        except ImportError:
            continue
    return found


def main(folder: Path, *, small: bool) -> None:
    """Write the corpus of this environment; the small one leaves out what is large or alike."""
    import sklearn

    warnings.simplefilter("ignore")
    for name in ("enable_iterative_imputer", "enable_hist_gradient_boosting"):
        importlib.import_module(f"sklearn.experimental.{name}")
    files: dict[str, bytes] = {}
    answers: dict[str, Any] = {}
    index: dict[str, Any] = {"versions": versions(), "kinds": {}, "left_out": {}}
    for number, kind in enumerate(all_kinds()):
        if small and not kind.is_core:
            continue
        try:
            form, data = written(fitted(kind), number)
            again = joblib.load(io.BytesIO(data)) if "joblib" in form else pickle.loads(data)
            found = answers_of(again, rows(kind.rows))
            if not found:
                raise ValueError("answers no method")
            if small and len(zlib.compress(data)) > LARGEST_BYTES:
                raise ValueError("too large for the small corpus")
        except Exception as error:  # noqa: BLE001  whatever this version cannot do, it says
            index["left_out"][kind.name] = f"{type(error).__name__}: {error}"[:120]
            continue
        name = f"{number:03d}.{'joblib' if 'joblib' in form else 'pkl'}"
        files[name] = data
        answers.update({f"{kind.name}|{key}": value for key, value in found.items()})
        index["kinds"][kind.name] = {"file": name, "form": form, "rows": kind.rows}
    stream = io.BytesIO()
    np.savez(stream, **answers)
    files["answers.npz"] = stream.getvalue()
    files["index.json"] = json.dumps(index, indent=1).encode()
    path = folder / f"sklearn-{sklearn.__version__}.tar.xz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:xz", preset=9) as archive:
        for name, data in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    print(f"{path}: {len(index['kinds'])} kinds, {path.stat().st_size:,} bytes")
    for name, reason in index["left_out"].items():
        print(f"  without {name}: {reason}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), small="--small" in sys.argv)
