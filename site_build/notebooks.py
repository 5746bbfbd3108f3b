"""A notebook as a page: its text, its code, and what the code showed when it was last run.

    python -m site_build.notebooks

runs every notebook of examples/notebooks and stores what its cells showed.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import tempfile
from pathlib import Path
from typing import Any


def cells(path: Path) -> list[tuple[str, str]]:
    """Return the cells of a notebook, in order.

    Parameters
    ----------
    path : Path
        An `.ipynb` file.

    Returns
    -------
    list of (kind, source)
        `kind` is `markdown` or `code`.
    """
    notebook: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]


def as_markdown(path: Path) -> str:
    """Return a notebook as the Markdown of a page: text and code, and stored outputs below it.

    Parameters
    ----------
    path : Path
        An `.ipynb` file. Outputs are its own: text, or HTML that a value displays itself as.
    """
    notebook: dict[str, Any] = json.loads(path.read_text("utf-8"))
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        parts += [_shown(output) for output in cell.get("outputs", ())]
    place = f"examples/notebooks/{path.name}"
    parts.append(f"*This page is the notebook `{place}`; the tests run it.*")
    return "\n\n".join(parts) + "\n"


def _shown(output: dict[str, Any]) -> str:
    if output["output_type"] == "stream":
        return _text("".join(output["text"]))
    data = output.get("data", {})
    if "text/html" in data:
        # One block for Markdown: a blank line would end it.
        html = "".join(data["text/html"])
        return '<div class="output">' + " ".join(html.split()) + "</div>"
    return _text("".join(data.get("text/plain", "")))


def _text(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```"


class CellFailed(Exception):
    """A cell of a notebook raised."""


def run(path: Path, folder: Path) -> list[list[dict[str, Any]]]:
    """Run the code of a notebook in a working directory, and return the outputs of each code cell.

    Parameters
    ----------
    path : Path
        An `.ipynb` file.
    folder : Path
        What the cells have as their working directory.

    Returns
    -------
    list of list of dict
        Outputs as `.ipynb` files hold them: what was printed, then the value of a last expression.

    Raises
    ------
    CellFailed
        A cell raised; the message names its number and holds its source.
    """
    names: dict[str, Any] = {"__name__": f"notebook_{path.stem}"}
    parts = cells(path)
    outputs = []
    with contextlib.chdir(folder):
        for number, (kind, source) in enumerate(parts, 1):
            if kind != "code":
                continue
            try:
                outputs.append(_outputs_of(source, names))
            except Exception as error:
                raise CellFailed(f"{path.name}, cell {number}:\n{source}") from error
    return outputs


def _outputs_of(source: str, names: dict[str, Any]) -> list[dict[str, Any]]:
    tree = ast.parse(source)
    last = tree.body[-1] if tree.body else None
    shown = ast.Expression(last.value) if isinstance(last, ast.Expr) else None
    if shown is not None:
        tree.body.pop()
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), names)
        if shown is not None:
            value = eval(compile(shown, "<cell>", "eval"), names)
    found: list[dict[str, Any]] = []
    if printed.getvalue():
        found.append({"name": "stdout", "output_type": "stream", "text": printed.getvalue()})
    if value is not None:
        data = {"text/plain": repr(value)}
        if hasattr(type(value), "_repr_html_"):
            data["text/html"] = value._repr_html_()
        found.append({"data": data, "metadata": {}, "output_type": "display_data"})
    return found


def write_outputs(path: Path) -> None:
    """Run a notebook in a new directory, and store its outputs in the file."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = iter(run(path.resolve(), Path(folder)))
    notebook = json.loads(path.read_text("utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = next(outputs)
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    for notebook_path in sorted(Path("examples/notebooks").glob("*.ipynb")):
        print(notebook_path, flush=True)
        write_outputs(notebook_path)
