"""Artifacts made under one version of scikit-learn, read under another.

    venv-a/bin/python -m tests.versions.matrix make folder [--bits 8]
    venv-b/bin/python -m tests.versions.matrix read folder

`make` fits every kind, quantizes it, and keeps the artifact with the answers that the artifact and
the restored estimator gave there. `read` asks the artifact again and compares, fast and restored.
"""

from __future__ import annotations

import argparse
import json
import logging
import pickle
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from tests.versions.kinds import all_kinds
from tests.versions.make_corpus import answers_of, fitted
from tests.versions.replay import Found, Saved, compare
from tests.versions.rows import rows


def make(folder: Path, bits: str, part: str = "") -> None:
    """Write an artifact and its answers for each kind that this version can fit.

    The answers are those of the original at `exact`, so that an artifact which answers otherwise
    where it is made counts as well; below, those of the artifact.
    """
    import sklearn

    from model_quantization.pipeline.in_memory import quantize_live_model
    from model_quantization.schemes.recipe import recipe_for
    from model_quantization.trust import TrustPolicy

    folder.mkdir(parents=True, exist_ok=True)
    index: dict[str, Any] = {"sklearn": sklearn.__version__, "kinds": {}, "refused": {}}
    for number, kind in enumerate(all_kinds()):
        if part not in kind.name:
            continue
        try:
            model = pickle.loads(pickle.dumps(fitted(kind)))
        except Exception:  # noqa: BLE001  this version cannot fit it
            continue
        try:
            made = quantize_live_model(model, recipe_for(bits), TrustPolicy())
            asked = rows(kind.rows)
            if kind.name == "pandas output":
                asked = asked[["size", "rooms"]]
            answers = answers_of(model if bits == "exact" else made.model, asked)
        except Exception as error:  # noqa: BLE001  counted
            index["refused"][kind.name] = f"{type(error).__name__}: {error}"[:300]
            continue
        (folder / f"{number:03d}.qma").write_bytes(made.data)
        np.savez(folder / f"{number:03d}.npz", **answers)
        index["kinds"][kind.name] = {"file": f"{number:03d}", "rows": kind.rows}
    (folder / "index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")
    print(f"{sklearn.__version__}: {len(index['kinds'])} made, {len(index['refused'])} refused")
    for name, reason in index["refused"].items():
        print(f"  {name}: {reason}")


def read(folder: Path) -> None:
    """Compare the answers here with those that were given there."""
    import sklearn

    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    for restored in (False, True):
        counts: Counter[str] = Counter()
        for name, entry in index["kinds"].items():
            with np.load(folder / f"{entry['file']}.npz", allow_pickle=False) as stored:
                answers = {key: stored[key] for key in stored.files}
            saved = Saved("", name, "", b"", entry["rows"], answers)
            found = _asked(folder / f"{entry['file']}.qma", saved, restored=restored)
            counts[found.verdict] += 1
            if found.verdict not in ("same", "close"):
                print(
                    f"  {'restored' if restored else 'fast'} {name}: {found.verdict}: {found.why}"
                )
        shown = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
        way = "restored" if restored else "as served"
        print(f"{index['sklearn']} -> {sklearn.__version__}, {way}: {shown}")


def _asked(path: Path, saved: Saved, *, restored: bool) -> Found:
    from model_quantization import load
    from model_quantization.errors import QuantizationError

    try:
        model = load(path)
        return compare(saved, model.restore() if restored else model)
    except QuantizationError as error:
        return Found("named", f"{type(error).__name__}: {error}"[:300])
    except Exception as error:  # noqa: BLE001  a raw error is a finding
        return Found("error", f"{type(error).__name__}: {error}"[:300])


def main() -> None:
    """Make or read."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("make", "read"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bits", default="exact")
    parser.add_argument("--kind", default="", help="only kinds with this text in their name")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable()
    if asked.what == "make":
        make(asked.folder, asked.bits, asked.kind)
    else:
        read(asked.folder)


if __name__ == "__main__":
    main()
