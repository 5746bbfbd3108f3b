"""Tools of every figure: roles of colour, axes in CSS pixels, and clean inline SVG.

matplotlib never gets a name from outside. It draws a short token, which becomes the escaped name in
the finished SVG. So no name is read as a formula, lacks a glyph, or becomes markup. Colours are
tokens as well and become CSS variables, so that one SVG serves light and dark.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from model_quantization.locks import ForkSafeLock
from model_quantization.names import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 440.0
TEXT = 11.0
SMALL = 10.0
# Colours by their role; the values only have to differ from each other.
INK, MUTED, RULE, PAPER = "#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04"
GOOD, WARN, BAD, QUIET = "#0a0b05", "#0a0b06", "#0a0b07", "#0a0b08"
SERIES = ("#0a0b11", "#0a0b12", "#0a0b13", "#0a0b14")
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    RULE: "--rule",
    PAPER: "--paper",
    GOOD: "--good",
    WARN: "--warn",
    BAD: "--bad",
    QUIET: "--quiet",
    **{colour: f"--series-{index}" for index, colour in enumerate(SERIES, 1)},
}
_one_at_a_time = ForkSafeLock()  # matplotlib's settings are the process's


@dataclass(frozen=True, slots=True)
class Key:
    """One line of a legend: the colour (a role), the sign and the word for it."""

    colour: str
    sign: str
    word: str

    @property
    def variable(self) -> str:
        """The CSS variable of the colour."""
        return _VARIABLES[self.colour]


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure of the page.

    Attributes
    ----------
    key : str
        Its name on the page.
    title, caption : str
        Title, and how to read the figure.
    alt : str
        The same in words.
    svg : str
        Inline SVG, or empty when there is nothing to draw; then `caption` says why.
    legend : tuple of Key
    """

    key: str
    title: str
    caption: str
    alt: str
    svg: str
    legend: tuple[Key, ...] = ()


@dataclass(slots=True)
class Labels:
    """The texts from outside in one figure; each is drawn as a token of its own."""

    texts: list[str] = field(default_factory=list)

    def text(self, text: str, limit: int = 22) -> str:
        """The token to draw in place of `text`, which is shortened to `limit` characters."""
        self.texts.append(shorten(printable(text), limit))
        return f"@{len(self.texts) - 1:05d}@"

    def hover(self, text: str) -> str:
        """The group id of an artist that shows `text` under the pointer."""
        self.texts.append(" ".join(text.split())[:200])
        return f"hover-{len(self.texts) - 1:05d}"

    def link(self, row: int, text: str) -> str:
        """The address of a mark that leads to model `row` and shows `text` under the pointer."""
        self.texts.append(" ".join(text.split())[:200])
        return f"#m{row}-{len(self.texts) - 1:05d}"


def shorten(text: str, limit: int) -> str:
    """`text` in at most `limit` characters, its middle left out: the ends tell names apart."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 2
    return f"{text[: limit - 1 - tail]}…{text[-tail:]}"


@contextmanager
def drawing(key: str) -> Iterator[None]:
    """Figures drawn inside have the same bytes everywhere, with any settings of the user."""
    import matplotlib

    with _one_at_a_time, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "svg.hashsalt": f"report-{key}",
                "svg.fonttype": "none",
                "text.parse_math": False,
                "font.size": TEXT,
                "lines.solid_capstyle": "butt",
            }
        )
        yield


def new_figure(height: float) -> Figure:
    """An empty figure, `WIDTH` by `height` CSS pixels at its natural size."""
    from matplotlib.figure import Figure

    figure = Figure((WIDTH / 72, height / 72))
    figure.patch.set_visible(False)
    return figure


def add_axes(
    figure: Figure,
    left: float,
    top: float,
    right: float,
    bottom: float,
    *,
    grid: Literal["x", "y", "both", ""] = "x",
) -> Axes:
    """Bare axes with margins in pixels; rules along `grid`."""
    height = figure.get_figheight() * 72
    axes = figure.add_axes(
        (
            left / WIDTH,
            bottom / height,
            (WIDTH - left - right) / WIDTH,
            (height - top - bottom) / height,
        )
    )
    axes.patch.set_visible(False)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set(color=RULE, linewidth=1)
    axes.tick_params(which="both", length=0, pad=4, labelsize=SMALL, labelcolor=MUTED)
    axes.minorticks_off()
    if grid:
        axes.grid(True, axis=grid, color=RULE, linewidth=1)
    axes.set_axisbelow(True)
    return axes


def name_axes(axes: Axes, x: str = "", y: str = "") -> None:
    """Name the axes: `x` below, `y` above the upper left corner."""
    if x:
        axes.set_xlabel(x, color=MUTED, fontsize=SMALL, labelpad=3)
    if y:
        axes.set_title(y, color=MUTED, fontsize=SMALL, loc="left", pad=8)


def log_ticks(axis: str, axes: Axes, form: Callable[[float], str], most: int = 6) -> None:
    """Powers of ten along `axis` ("x" or "y"), at most `most` of them, worded by `form`."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = axes.get_xlim() if axis == "x" else axes.get_ylim()
    powers = [p for p in range(-12, 19) if low <= 10.0**p <= high]
    step = max(1, -(-len(powers) // most))
    side = axes.xaxis if axis == "x" else axes.yaxis
    side.set_major_locator(FixedLocator([10.0**p for p in powers[::step]]))
    side.set_minor_locator(NullLocator())
    side.set_major_formatter(FuncFormatter(lambda value, _: form(value)))


def to_svg(figure: Figure, key: str, alt: str, labels: Labels) -> str:
    """The figure as an inline `<svg>` that follows the page's colours and font."""
    target = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(target, format="svg", metadata=nothing)
    text = target.getvalue()
    view = re.search(r'viewBox="([^"]+)"', text)
    start, end = text.index("<g "), text.rindex("</svg>")
    body = _trimmed(text[start:end])
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    # One pass: inserted names are not searched for tokens.
    body = _TOKEN.sub(lambda match: _in_place_of(match, labels), body)
    box = view[1] if view else f"0 0 {WIDTH:g} {WIDTH:g}"
    opening = f'<svg class="{key}" viewBox="{box}" role="img" aria-label="{_escape(alt)}">'
    return f"{opening}{body}</svg>"


_TOKEN = re.compile(
    r'<a href="#m(?P<row>\d+)-(?P<link>\d{5})">(?:<g>)?(?P<mark><(?:use|path) [^>]*/>)(?:</g>)?</a>'
    r'|<g id="hover-(?P<hover>\d{5})">'
    r"|@(?P<text>\d{5})@"
)


def _in_place_of(match: re.Match[str], labels: Labels) -> str:
    if match["text"]:
        return _escape(labels.texts[int(match["text"])])
    if match["hover"]:
        return f"<g><title>{_escape(labels.texts[int(match['hover'])])}</title>"
    title = f"<title>{_escape(labels.texts[int(match['link'])])}</title>"
    return f'<a href="#m{match["row"]}" tabindex="-1">{title}{match["mark"]}</a>'


_GROUP_ID = re.compile(
    r' id="(?:figure|axes|patch|text|line2d|legend|xtick|ytick|\w+Collection'
    r'|matplotlib\.axis)_\d+"'
)
_NUMBERS = re.compile(r' (?:d|x|y|transform|points)="[^"]*"')


def _trimmed(svg: str) -> str:
    """The same picture in half the bytes, without ids that other figures also have."""
    svg = _GROUP_ID.sub("", svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    svg = svg.replace("xlink:href", "href").replace(' target="_blank"', "")
    svg = _NUMBERS.sub(lambda m: re.sub(r"(\.\d\d)\d+", r"\1", m[0]).replace("\n", " "), svg)
    return re.sub(r">\s+<", "><", svg)


def _escape(text: str) -> str:
    return html.escape(printable(text))
