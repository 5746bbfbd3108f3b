"""How a quantized model is displayed: its name, one line, and a table in a notebook."""

from __future__ import annotations

from collections.abc import Sequence

from model_quantization.artifact.reader import Artifact
from model_quantization.displayed import html_table
from model_quantization.predictor.component import ComponentView


def model_title(kind: str, artifact: Artifact) -> str:
    """The class without its module, and the bits: `LogisticRegression, 8 bits`."""
    depth = str(artifact.manifest["recipe"]["bit_depth"])
    return f"{kind.rpartition(':')[2]}, {depth}{' bits' if depth.isdigit() else ''}"


def one_line(name: str, artifact: Artifact, fast: Sequence[str]) -> str:
    """The `repr`: name, size, guarantee and fast methods."""
    methods = ", ".join(fast) or "nothing"
    return f"<QuantizedModel {name}, {_size_and_guarantee(artifact)}; fast: {methods}>"


def notebook_table(
    view: ComponentView, artifact: Artifact, methods: Sequence[str], fast: Sequence[str]
) -> str:
    """The same as a table in HTML, with the methods that the restored estimator answers."""
    restored = [name for name in methods if name not in fast]
    rows = [
        ("class", view.type.replace(":", ".")),
        ("file", _size_and_guarantee(artifact)),
        ("answered fast", ", ".join(fast) or "nothing"),
        ("answered by the restored estimator", ", ".join(restored) or "nothing"),
    ]
    name = model_title(view.type, artifact)
    return html_table(rows, caption=f"{name}{view.path and f' at {view.path}'}")


def _size_and_guarantee(artifact: Artifact) -> str:
    """The file's size, whether it rounds, and the evaluation that it contains."""
    from model_quantization.report.table import human_bytes

    evaluation = artifact.manifest["evaluation"]
    rounded = "rounds nothing" if artifact.manifest["model"]["exact"] else "rounded"
    proof = "not evaluated" if evaluation is None else f"evaluated on {evaluation['rows']:,} rows"
    return f"{human_bytes(len(artifact.data))}, {rounded}, {proof}"
