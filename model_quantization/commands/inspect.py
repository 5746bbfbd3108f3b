"""`model-quantization inspect`: shows the content of an artifact."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from model_quantization.commands.exit_codes import ExitCode
from model_quantization.commands.options import AsJson, Trusted, model_file
from model_quantization.commands.output import print_json
from model_quantization.errors import ConfigError


def inspect(
    artifact: Annotated[Path, model_file("ARTIFACT", "A .qma file.")],
    trusted: Trusted = None,
    as_json: AsJson = False,
) -> ExitCode:
    """Show the content of an artifact.

    Prints the model, its components, its predictors and its evaluation.
    """
    from model_quantization.artifact.reader import read_artifact
    from model_quantization.maintenance.contents import describe_artifact
    from model_quantization.names import looks_like_model

    if looks_like_model(artifact.name):
        raise ConfigError(
            "this is a model's file, and not an artifact; it was not opened",
            where=str(artifact),
            expected="a .qma file",
            do=f"`model-quantization quantize {artifact}` scans it, and makes an artifact of it "
            "where the scan finds nothing that runs",
        )
    record = describe_artifact(read_artifact(artifact), tuple(trusted or ()))
    if as_json:
        print_json(record)
    else:
        print("\n".join(_lines(record)))
    return ExitCode.ALL_WELL


def _lines(record: dict[str, Any]) -> Iterator[str]:
    from model_quantization.report.table import human_bytes

    yield f"{record['file']}: {human_bytes(record['size_bytes'])}, sha256 {record['sha256']}"
    source, producer = record["source"], record["producer"]
    yield f"signed       {record['key_id'] or 'no'}"
    yield f"model        {record['model']['type']} ({record['model']['family']})"
    yield f"precision    {record['bit_depth']}{', exact' if record['model']['exact'] else ''}"
    yield f"made from    {source['name']}, {human_bytes(source['size_bytes'])}, {source['sha256']}"
    libraries = ", ".join(f"{name} {it}" for name, it in sorted(record["libraries"].items()))
    yield f"made with    {producer['name']} {producer['version']}, {libraries}"
    for path, methods in record["methods"].items():
        yield f"answers      {path + ': ' if path else ''}{', '.join(methods)}"
    for explained in record["predictors"]:
        yield from _predictor_lines(explained)
    asked, none = ", ".join(record["golden_methods"]), f"none: {record['no_golden']}"
    yield f"self-test    {asked or none}"
    yield f"arrays       {record['arrays']}"
    for row in record["components"]:
        name = row["path"] or "(model)"
        kind = row["type"].rpartition(":")[2]
        schemes = ", ".join(row["schemes"])
        size = human_bytes(row["stored_bytes"])
        yield f"  {size:>10}  {name} {kind}: {row['arrays']} arrays, {schemes}"
    if record["residue"]:
        yield f"not kept     {', '.join(record['residue'])}"
    for note in record["notes"]:
        yield f"note         {note}"
    if record["evaluation"] is None:
        yield "evaluated    no"
    else:
        yield from _evaluation_lines(record["evaluation"])


def _evaluation_lines(figures: dict[str, Any]) -> Iterator[str]:
    """The proof in one line, then every figure by name."""
    from model_quantization.numerals import as_known

    line = f"evaluated    {figures.get('rows', 0):,} held-out rows"
    metric = str(figures.get("metric"))
    known = {
        key: as_known(metric, figures[key])
        for key in ("score_before", "score_after")
        if figures.get(key) is not None
    }
    if len(known) == 2:
        line += f", {metric} {' -> '.join(f'{score:.4f}' for score in known.values())}"
    yield line
    for name, value in (figures | known).items():
        rows = value if isinstance(value, list) and value else [value]
        for number, row in enumerate(rows):
            yield f"  {'' if number else name:20} {_shown(row)}"


def _shown(value: Any) -> str:
    """A figure, or a record of figures, in words on one line."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}"
        case dict():
            said = [f"{key.replace('_', ' ')} {_shown(item)}" for key, item in value.items()]
            return ", ".join(said) or "none"
        case list():
            return ", ".join(map(_shown, value)) or "none"
    return str(value)


def _predictor_lines(explained: dict[str, Any]) -> Iterator[str]:
    """One line per method and per component inside: fast or restored, by what, and why."""
    where = f" of {explained['path']}" if explained["path"] else ""
    error = f"   not known: {explained['error']}" if explained["error"] else ""
    yield f"predictors{where}{error}"
    rows = [(item["method"], item) for item in explained["methods"]]
    if len(explained["components"]) > 1:  # a single component is the model itself
        rows += [(item["path"] or "(model)", item) for item in explained["components"]]
    for name, item in rows:
        how = "fast" if item["fast"] else "restored"
        yield f"  {name:24} {how:9} {', '.join(filter(None, (item['by'], item['why'])))}"
