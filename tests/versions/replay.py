"""Reads the corpus of old versions and tells how its answers compare with today's.

    .venv/bin/python -m tests.versions.replay [--corpus PATH] [--plain] [version ...]

prints the table of docs/versions.md: for each version how many kinds answer the same, answer
otherwise, are refused by name, or fail with an error that is not ours. `--plain` reads the files
with pickle and joblib alone, without this library.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import pickle
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from model_quantization.loading.pickles.migrations.steps import parse_release
from tests.versions.corpus_file import read_corpus
from tests.versions.make_corpus import flat
from tests.versions.rows import rows

CORPUS = Path(__file__).parent / "corpus.tar.xz"
RELATIVE = 1e-7


@dataclass(frozen=True)
class Saved:
    """One file of the corpus, and what it answered in the version that saved it."""

    version: str
    kind: str
    file: str
    data: bytes
    rows: str
    answers: dict[str, Any]

    def asked(self) -> Any:
        """The rows that it was asked."""
        given = rows(self.rows)
        return given[["size", "rooms"]] if self.kind == "pandas output" else given


@dataclass(frozen=True)
class Found:
    """What became of one file: "same", "close", "wrong", "refused" or "error", and why."""

    verdict: str
    why: str = ""


def versions(corpus: Path = CORPUS) -> list[str]:
    """The versions of scikit-learn that the corpus has, oldest first."""
    return sorted(read_corpus(corpus), key=parse_release)


def saved_models(version: str, corpus: Path = CORPUS) -> Iterator[Saved]:
    """Every file that this version saved."""
    files = read_corpus(corpus)[version]
    index = json.loads(files["index.json"])
    answers: dict[str, dict[str, Any]] = {}
    with np.load(io.BytesIO(files["answers.npz"]), allow_pickle=False) as stored:
        for key in stored.files:
            kind, _, method = key.partition("|")
            answers.setdefault(kind, {})[method] = stored[key]
    for kind, entry in index["kinds"].items():
        data = files[entry["file"]]
        yield Saved(version, kind, entry["file"], data, entry["rows"], answers[kind])


def difference(was: Any, now: Any) -> str | None:
    """None for the same bits, "close" within the tolerance, else what differs."""
    if was.shape != now.shape:
        return f"shape {was.shape} became {now.shape}"
    if was.dtype.kind in "US" or now.dtype.kind in "US":
        changed = int((was.astype(str) != now.astype(str)).sum())
        return f"{changed} of {was.size} texts changed" if changed else None
    if was.dtype.kind in "fc" and now.dtype == was.dtype and was.tobytes() == now.tobytes():
        return None
    if np.array_equal(was, now, equal_nan=was.dtype.kind in "fc"):
        return None
    off = np.abs(was.astype(float) - now.astype(float))
    if not np.array_equal(np.isnan(was), np.isnan(now)) if was.dtype.kind == "f" else False:
        return "missing values moved"
    with np.errstate(invalid="ignore"):
        scale = max(float(np.nanmax(np.abs(np.where(np.isfinite(was), was, 0.0)))), 1e-30)
        worst = float(np.nanmax(np.where(np.isfinite(off), off, 0.0)))
    if worst <= RELATIVE * scale:
        return "close"
    return f"off by {worst:.2g}, {int((off > RELATIVE * scale).sum())} of {off.size} values"


def compare(saved: Saved, model: Any) -> Found:
    """How the answers of `model` compare with those of the version that saved it."""
    verdict = "same"
    methods = dict.fromkeys(key.split(".")[0] for key in saved.answers)
    for method in methods:
        was = [saved.answers[key] for key in saved.answers if key.split(".")[0] == method]
        now = flat(getattr(model, method)(saved.asked()))
        if len(was) != len(now):
            return Found("wrong", f"{method}: {len(was)} outputs became {len(now)}")
        for each, other in zip(was, now, strict=True):
            found = difference(each, other)
            if found == "close":
                verdict = "close"
            elif found is not None:
                return Found("wrong", f"{method}: {found}")
    return Found(verdict)


def read_plain(saved: Saved) -> Found:
    """What pickle or joblib alone makes of the file."""
    stream = io.BytesIO(saved.data)
    try:
        model = joblib.load(stream) if saved.file.endswith("joblib") else pickle.load(stream)
    except Exception as error:  # noqa: BLE001  the peer's failures are what is counted
        return Found("unloadable", f"{type(error).__name__}: {error}")
    try:
        return compare(saved, model)
    except Exception as error:  # noqa: BLE001
        return Found("error", f"{type(error).__name__}: {error}")


def read_quantized(saved: Saved, bit_depth: Any = "exact") -> Found:
    """What the artifact answers that this library makes of the file."""
    from model_quantization.errors import QuantizationError
    from model_quantization.pipeline.in_memory import quantize_pickle
    from model_quantization.schemes.recipe import recipe_for
    from model_quantization.trust import TrustPolicy

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / saved.file
        source.write_bytes(saved.data)
        workspace = Path(folder) / "work"
        workspace.mkdir(mode=0o700)
        stage = "quantizing"
        try:
            made = quantize_pickle(source, workspace, recipe_for(bit_depth), TrustPolicy())
            stage = "answering"
            return compare(saved, made.model)
        except QuantizationError as error:
            return Found("refused", f"{stage}: {type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001  a raw error is a finding
            return Found("error", f"{stage}: {type(error).__name__}: {error}")


def read_restored(saved: Saved) -> Found:
    """As `read_in_memory`, answered by the restored estimator; "unrestored" where none is given."""
    return read_in_memory(saved, restored=True)


def read_in_memory(saved: Saved, bit_depth: Any = "exact", *, restored: bool = False) -> Found:
    """What the artifact answers when the file is read in this process; quicker than a child."""
    from model_quantization.errors import EnvironmentMismatch, QuantizationError
    from model_quantization.loading.pickles.original import load_original
    from model_quantization.pipeline.in_memory import quantize_live_model
    from model_quantization.schemes.recipe import recipe_for
    from model_quantization.trust import TrustPolicy

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / saved.file
        source.write_bytes(saved.data)
        try:
            model, _ = load_original(source)
            made = quantize_live_model(model, recipe_for(bit_depth), TrustPolicy()).model
            if not restored:
                return compare(saved, made)
            try:
                estimator = made.restore()
            except EnvironmentMismatch as error:
                return Found("unrestored", str(error))
            return compare(saved, estimator)
        except QuantizationError as error:
            return Found("refused", f"{type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001  a raw error is a finding
            return Found("error", f"{type(error).__name__}: {error}")


def read_original(saved: Saved) -> Found:
    """What the original answers as a loader serves it when its artifact is missing."""
    from model_quantization.errors import QuantizationError
    from model_quantization.loading.pickles.original import load_original

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / saved.file
        source.write_bytes(saved.data)
        try:
            return compare(saved, load_original(source)[0])
        except QuantizationError as error:
            return Found("refused", f"{type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001
            return Found("error", f"{type(error).__name__}: {error}")


READERS = {
    "quantized": read_quantized,
    "memory": read_in_memory,
    "restored": read_restored,
    "original": read_original,
    "plain": read_plain,
}


def main() -> None:
    """Print one line per version, and with --why one per kind that is not the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="packed, or a folder")
    parser.add_argument("versions", nargs="*")
    parser.add_argument("--by", choices=READERS, default="quantized")
    parser.add_argument("--kind", default="", help="only kinds with this text in their name")
    parser.add_argument("--why", action="store_true")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable()
    for version in asked.versions or versions(asked.corpus):
        counts: Counter[str] = Counter()
        for saved in saved_models(version, asked.corpus):
            if asked.kind not in saved.kind:
                continue
            found = READERS[asked.by](saved)
            counts[found.verdict] += 1
            if asked.why and found.verdict not in ("same", "close"):
                print(f"  {version} {saved.kind}: {found.verdict}: {found.why[:260]}", flush=True)
        shown = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
        print(f"{version}: {counts.total()} kinds: {shown}", flush=True)


if __name__ == "__main__":
    main()
