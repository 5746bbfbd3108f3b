"""How values display themselves in a notebook: tables of text, every cell escaped.

Names of models and classes, and notes, come from files that others wrote. None of their text may
become markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def html_table(
    rows: Iterable[Sequence[object]], *, head: Sequence[object] = (), caption: str = ""
) -> str:
    """Return a table as HTML.

    Parameters
    ----------
    rows : iterable of sequence
        The cells of each row; whatever they are, they are shown as text.
    head : sequence, optional
        Cells of the first row.
    caption : str, optional
        One line above the table.

    Examples
    --------
    >>> html_table([("a<b", 1)], head=("name", "size"))
    '<table><tr><th>name</th><th>size</th></tr><tr><td>a&lt;b</td><td>1</td></tr></table>'
    """
    lines = [f"<caption>{escape(caption)}</caption>"] if caption else []
    lines += [_row(head, "th")] if head else []
    lines += [_row(row, "td") for row in rows]
    return f"<table>{''.join(lines)}</table>"


def html_line(text: str) -> str:
    """Return one line of text as HTML.

    Examples
    --------
    >>> html_line("1 < 2")
    '<p>1 &lt; 2</p>'
    """
    return f"<p>{escape(text)}</p>"


def _row(cells: Sequence[object], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(str(cell))}</{tag}>' for cell in cells)}</tr>"
