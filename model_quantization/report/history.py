"""`history.parquet`: every model's result in each release, for trends and alerts.

The file is not essential. If it is missing or damaged, a new one is started, and a damaged one is
kept under another name. No run fails because of it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from model_quantization.errors import FormatError
from model_quantization.files.atomic import open_regular, write_atomically, writing
from model_quantization.outcome import Guarantee, Outcome, Status, verdict
from model_quantization.release.manifest import Release

if TYPE_CHECKING:
    import pyarrow as pa

HISTORY = "history.parquet"
MAX_RELEASES = 100
MAX_ROWS = 300_000
MAX_FILE_BYTES = 1 << 28
_log = logging.getLogger(__name__)

# Worst first. The served file decides: a served unverified artifact is better than none.
_KEPT = (
    Status.FAILED,
    Status.REFUSED,
    Status.FALLBACK,
    Status.UNVERIFIED,
    Status.NO_GAIN,
)
_SERVED = (
    Guarantee.UNVERIFIED,
    Guarantee.INCONCLUSIVE,
    Guarantee.NON_INFERIOR,
    Guarantee.LABEL_EXACT,
    Guarantee.EXACT,
)


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One model in one release.

    Attributes
    ----------
    name : str
    release : int
    created : str
        When the release was made: UTC, ISO 8601.
    status, guarantee, reason
        As in `Outcome`.
    published : bool
        Whether the artifact is served.
    size_before_bytes, size_after_bytes : int
        Original and artifact; 0 for a file that was not written.
    score_before, score_after, score_change, latency_before_us, latency_after_us : float or None
    """

    name: str
    release: int
    created: str
    status: Status
    guarantee: Guarantee
    reason: str
    published: bool
    size_before_bytes: int
    size_after_bytes: int
    score_before: float | None = None
    score_after: float | None = None
    score_change: float | None = None
    latency_before_us: float | None = None
    latency_after_us: float | None = None

    @property
    def served_bytes(self) -> int:
        """Bytes of the file that was served."""
        return self.size_after_bytes if self.published else self.size_before_bytes


@dataclass(frozen=True, slots=True)
class Worsened:
    """A model whose verdict got worse.

    Attributes
    ----------
    name : str
    before, after : str
        The verdicts, as the table words them.
    note : str
        The reason, in a sentence.
    """

    name: str
    before: str
    after: str
    note: str


def read_history(output_dir: Path) -> list[HistoryRow]:
    """Every kept row, oldest release first; none if the file is missing or damaged."""
    try:
        return _read(output_dir / HISTORY)
    except FileNotFoundError:
        return []
    except (FormatError, OSError) as error:
        _log.warning("the history cannot be read: %s", error)
        return []


def record_history(
    output_dir: Path,
    release: Release,
    outcomes: Iterable[Outcome],
    *,
    max_releases: int = MAX_RELEASES,
    max_rows: int = MAX_ROWS,
) -> list[HistoryRow]:
    """The history with `outcomes` as the rows of `release`, as it is now in the file.

    Existing rows of the same release are replaced: a run that publishes nothing new corrects them.
    The oldest releases are dropped first.

    Raises
    ------
    ReleaseError
        Full disk, read-only directory.
    """
    path = output_dir / HISTORY
    try:
        rows = _read(path)
    except FileNotFoundError:
        rows = []
    except (FormatError, OSError) as error:
        aside = path.with_name(f"history.damaged-{release.number}.parquet")
        _log.warning("%s It is kept as %s and a new one is started.", error, aside.name)
        with writing(aside):
            path.replace(aside)
        rows = []
    new = [_row(release, outcome) for outcome in sorted(outcomes, key=lambda item: item.name)]
    # A higher number belongs to a removed release (the manifest was removed or restored).
    rows = [row for row in rows if row.release < release.number] + new
    rows = _bounded(rows, max_releases, max_rows)
    write_atomically(path, _encode(rows))
    return rows


def latest_rows(rows: Iterable[HistoryRow]) -> dict[str, HistoryRow]:
    """The last row of every model of the last release, by name."""
    rows = list(rows)
    last = max((row.release for row in rows), default=0)
    return {row.name: row for row in rows if row.release == last}


def worsened(before: Mapping[str, HistoryRow], after: Iterable[Outcome]) -> list[Worsened]:
    """The models whose verdict is worse than in `before`, by name, without new models.

    Parameters
    ----------
    before : mapping of str to HistoryRow
        `latest_rows(read_history(output_dir))`, taken before the run publishes.
    after : iterable of Outcome
        The outcomes of the run.
    """
    found = []
    for outcome in sorted(after, key=lambda item: item.name):
        row = before.get(outcome.name)
        if row is None:
            continue
        if _rank(outcome.status, outcome.guarantee, outcome.published) < _rank(
            row.status, row.guarantee, row.published
        ):
            was = str(row.guarantee if row.status is Status.PUBLISHED else row.status)
            found.append(Worsened(outcome.name, was, verdict(outcome), outcome.note))
    return found


def _rank(status: Status, guarantee: Guarantee, published: bool) -> int:
    """The rank of a verdict: originals that stay rank below served artifacts."""
    if published and guarantee in _SERVED:
        return len(_KEPT) + _SERVED.index(guarantee)
    return _KEPT.index(status) if status in _KEPT else 0


def _row(release: Release, outcome: Outcome) -> HistoryRow:
    return HistoryRow(
        name=outcome.name,
        release=release.number,
        created=release.created,
        status=outcome.status,
        guarantee=outcome.guarantee,
        reason=outcome.reason,
        published=outcome.published,
        size_before_bytes=outcome.source_size_bytes,
        size_after_bytes=outcome.artifact_size_bytes,
        score_before=outcome.score_before,
        score_after=outcome.score_after,
        score_change=outcome.score_change,
        latency_before_us=outcome.latency_us_before,
        latency_after_us=outcome.latency_us_after,
    )


def _bounded(rows: Sequence[HistoryRow], max_releases: int, max_rows: int) -> list[HistoryRow]:
    """The newest whole releases that fit; the last one always stays."""
    counts: dict[int, int] = {}
    for row in rows:
        counts[row.release] = counts.get(row.release, 0) + 1
    kept: set[int] = set()
    total = 0
    for number in sorted(counts, reverse=True)[:max_releases]:
        total += counts[number]
        if kept and total > max_rows:
            break
        kept.add(number)
    return [row for row in rows if row.release in kept]


def _schema() -> pa.Schema:
    import pyarrow as pa

    kinds = {"str": pa.string(), "int": pa.int64(), "bool": pa.bool_(), "float": pa.float64()}
    kinds |= {"Status": pa.string(), "Guarantee": pa.string(), "float | None": pa.float64()}
    return pa.schema([(item.name, kinds[str(item.type)]) for item in fields(HistoryRow)])


def _encode(rows: Sequence[HistoryRow]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    columns = list(zip(*map(astuple, rows), strict=True)) or [()] * len(fields(HistoryRow))
    schema = _schema()
    arrays = [
        pa.array([_plain(value) for value in column], kind)
        for column, kind in zip(columns, schema.types, strict=True)
    ]
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table(arrays, schema=schema), sink, compression="zstd")
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def _plain(value: object) -> object:
    """Text that Parquet can hold: a file name may have bytes that are no UTF-8."""
    if isinstance(value, str):
        return str(value).encode("utf-8", "backslashreplace").decode()
    return value


def _read(path: Path) -> list[HistoryRow]:
    """The rows of a file.

    Raises
    ------
    FileNotFoundError
    PathRefused, FormatError
        Not a plain file; not a history.
    """
    import pyarrow as pa
    from pyarrow import parquet

    with open_regular(path) as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise FormatError(
            "too large to be a history", where=str(path), expected=f"at most {MAX_FILE_BYTES} bytes"
        )
    names = [item.name for item in fields(HistoryRow)]
    try:
        table = parquet.read_table(pa.BufferReader(data), columns=names)
        columns = [table.column(name).cast(_schema().field(name).type) for name in names]
        listed = [column.to_pylist() for column in columns]
        rows = [_checked(values) for values in zip(*listed, strict=True)]
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise FormatError(f"not a history of releases ({error})", where=str(path)) from None
    return sorted(rows, key=lambda row: (row.release, row.name))


def _checked(values: Sequence[object]) -> HistoryRow:
    record = dict(zip((item.name for item in fields(HistoryRow)), values, strict=True))
    for item in fields(HistoryRow):
        if record[item.name] is None and "None" not in str(item.type):
            raise ValueError(f"`{item.name}` is empty")
    record["status"] = Status(str(record["status"]))
    record["guarantee"] = Guarantee(str(record["guarantee"]))
    return HistoryRow(**record)  # type: ignore[arg-type]
