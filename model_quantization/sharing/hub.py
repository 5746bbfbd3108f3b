"""Pushes an artifact to the Hugging Face hub, with a model card of its evidence.

::

    write_hub_folder("models/quantized/churn.qma", "to_push")       # look at it first
    push_to_hub("models/quantized/churn.qma", "team/churn")          # extra `hub`
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from model_quantization.artifact.reader import Artifact, read_artifact
from model_quantization.errors import ConfigError
from model_quantization.extras import need
from model_quantization.files.atomic import write_atomically
from model_quantization.maintenance.contents import describe_artifact
from model_quantization.numerals import as_known, fixed, plural
from model_quantization.report.table import human_bytes, times_smaller
from model_quantization.version import NOT_INSTALLED, installed_version

MODEL, CARD, EVIDENCE, REQUIREMENTS = "model.qma", "README.md", "evidence.json", "requirements.txt"
_TEXT, _TABLE = "text-classification", "tabular-classification"
_NUMBERS = "tabular-regression"


class HubApi(Protocol):
    """The two calls of `huggingface_hub.HfApi` that a push makes."""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> Any:
        """Make the repository, or leave one that is there."""

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> Any:
        """Upload every file of a folder as one commit."""


def write_hub_folder(
    artifact: Path | str, folder: Path | str, *, name: str = "", trusted: tuple[str, ...] = ()
) -> list[Path]:
    """Write the files for a hub, and return their paths.

    Parameters
    ----------
    artifact : path
        A `.qma` file. It is checked before anything is written.
    folder : path
        Made where it is missing; files of the same names are replaced.
    name : str, optional
        The model's name on its card; default: that of the file.
    trusted : tuple of str
        Classes of your own that the model holds.

    Raises
    ------
    ArtifactError
        The file is broken.
    """
    source, target = Path(artifact), Path(folder)
    opened = read_artifact(source)
    opened.check()
    record = describe_artifact(opened, trusted) | {"file": MODEL}
    version = installed_version()
    pin = "" if version == NOT_INSTALLED else f"=={version}"
    content = {
        MODEL: bytes(opened.data),
        CARD: model_card(opened, name=name or source.stem, trusted=trusted).encode(),
        EVIDENCE: (json.dumps(record, indent=1, sort_keys=True) + "\n").encode(),
        REQUIREMENTS: f"model-quantization{pin}\n".encode(),
    }
    target.mkdir(parents=True, exist_ok=True)
    for file, data in content.items():
        write_atomically(target / file, data)
    return [target / file for file in content]


def push_to_hub(
    artifact: Path | str,
    repo_id: str,
    *,
    private: bool = True,
    trusted: tuple[str, ...] = (),
    api: HubApi | None = None,
) -> str:
    """Push an artifact with its card as one commit, and return the repository's name.

    Parameters
    ----------
    artifact : path
    repo_id : str
        `owner/name`.
    private : bool
        Whether a new repository is private.
    trusted : tuple of str
        Classes of your own that the model holds.
    api : HubApi, optional
        Default: `huggingface_hub.HfApi()`, which knows who is logged in.

    Raises
    ------
    ConfigError
        Not `owner/name`.
    MissingExtra
        `huggingface_hub` is not installed.
    ArtifactError
        The file is broken; nothing is pushed.
    """
    owner, _, name = repo_id.partition("/")
    if not owner or not name or "/" in name:
        raise ConfigError(
            "not the name of a repository", where="repo_id", expected="owner/name", got=repo_id
        )
    if api is None:
        need("pushing to the Hugging Face hub", "huggingface_hub")
        import huggingface_hub

        api = huggingface_hub.HfApi()
    with tempfile.TemporaryDirectory(prefix="hub-") as folder:
        write_hub_folder(artifact, folder, name=name, trusted=trusted)
        digest = read_artifact(Path(folder) / MODEL).sha256
        api.create_repo(repo_id, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repo_id, folder_path=folder, commit_message=f"Quantized model {digest[:12]}"
        )
    return repo_id


def model_card(artifact: Artifact, *, name: str, trusted: tuple[str, ...] = ()) -> str:
    """Return the model card: metadata for the hub, and the evidence that the file carries."""
    record = describe_artifact(artifact, trusted)
    lines = ["---", "library_name: model-quantization", "tags:"]
    lines += [f"- {tag}" for tag in ("scikit-learn", "quantized", record["model"]["family"])]
    if task := _task(record):
        lines.append(f"pipeline_tag: {task}")
    lines += ["---", "", f"# {name}", "", *_summary(record), "", "## Use", ""]
    lines += [
        "```python",
        "import model_quantization as mq",
        "",
        f'model = mq.load("{MODEL}")',
        "answers = model.predict(rows)",
        "```",
        "",
        "The file is data only: opening it runs no code. `restore()` gives the estimator.",
        "",
        "## Evidence",
        "",
        *_evidence(record["evaluation"]),
        "",
        "## Made from",
        "",
        "| | |",
        "|---|---|",
        f"| original | {_bytes(record['source']['size_bytes'])}, sha256 "
        f"`{record['source']['sha256'] or 'not recorded'}` |",
        f"| artifact | {_bytes(record['size_bytes'])}, sha256 `{record['sha256']}` |",
        f"| signed | {f'by `{key}`' if (key := record['key_id']) else 'no'} |",
    ]
    lines += [
        f"| {library} | {number} |" for library, number in sorted(record["libraries"].items())
    ]
    return "\n".join(lines) + "\n"


def _summary(record: Mapping[str, Any]) -> Iterator[str]:
    model = record["model"]
    rounded = "nothing was rounded" if model["exact"] else f"rounded to {record['bit_depth']} bits"
    before, after = record["source"]["size_bytes"], record["size_bytes"]
    smaller = times_smaller(before, after) if before else "-"
    size = f", {smaller} smaller than the original" if smaller != "-" else ""
    yield f"`{model['type']}`, {rounded}; {_bytes(after)}{size}."


def _evidence(evaluation: Mapping[str, Any] | None) -> Iterator[str]:
    if not evaluation:
        yield "The file carries no evaluation: nothing was proven on held-out rows."
        return
    yield f"Judged on {plural(evaluation.get('rows', 0), 'held-out row')} against the original."
    yield ""
    yield "| | original | artifact |"
    yield "|---|---|---|"
    before, after = evaluation.get("score_before"), evaluation.get("score_after")
    if before is not None and after is not None:
        metric = evaluation.get("metric", "score")
        before, after = as_known(metric, before), as_known(metric, after)
        yield f"| {metric} | {fixed(before)} | {fixed(after)} |"
    changed = evaluation.get("labels_changed")
    if changed is not None:
        yield ""
        yield f"{plural(changed, 'prediction')} changed."
    for note in evaluation.get("notes", ()):
        yield f"- {note}"


def _task(record: Mapping[str, Any]) -> str:
    """The hub's name for the model's task; empty for a task that the hub does not name."""
    methods = {method for names in record["methods"].values() for method in names}
    task = (record["evaluation"] or {}).get("task", "")
    if "Vectorizer" in record["model"]["type"]:
        return _TEXT
    if task == "regression":
        return _NUMBERS
    if task == "classification" or methods & {"predict_proba", "decision_function"}:
        return _TABLE
    return ""


def _bytes(size: int) -> str:
    return human_bytes(size) if size else "size not recorded"
