"""`model-quantization rollback`: publishes an earlier release again, or lists the releases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from model_quantization.commands.exit_codes import ExitCode
from model_quantization.commands.options import AsJson, PublicKey, ReleaseDirectory, SigningKey
from model_quantization.commands.output import print_json

if TYPE_CHECKING:
    from model_quantization.config.run_config import RunConfig


def rollback(
    directory: ReleaseDirectory,
    release: Annotated[
        int | None,
        typer.Argument(
            metavar="RELEASE",
            help="Its number; without one, the releases are listed.",
            show_default=False,
        ),
    ] = None,
    signing_key: SigningKey = None,
    public_key: PublicKey = None,
    as_json: AsJson = False,
) -> ExitCode:
    """Publish an earlier release again.

    Its content becomes a new release. Without a number, the kept releases are listed.
    """
    from model_quantization.config.run_config import RunConfig

    config = RunConfig(
        output_dir=directory, signing_key=signing_key, public_keys=tuple(public_key or ())
    )
    if release is None:
        _list(config, as_json=as_json)
    else:
        bring_back(config, release, as_json=as_json)
    return ExitCode.ALL_WELL


def bring_back(config: RunConfig, number: int, *, as_json: bool) -> None:
    """Publish the content of release `number` again, and print the new release's number."""
    from model_quantization.maintenance.earlier_releases import roll_back

    new = roll_back(config, number)
    if as_json:
        print_json({"release": new.number, "rollback_of": number, "created": new.created})
    else:
        print(f"release {new.number} is served now; it has the content of release {number}")


def _list(config: RunConfig, *, as_json: bool) -> None:
    from dataclasses import asdict

    from model_quantization.maintenance.earlier_releases import list_releases

    releases = list_releases(config)
    if as_json:
        print_json({"releases": [asdict(release) for release in releases]})
        return
    if not releases:
        print("nothing was published here")
    for item in releases:
        number = str(item.number or "now")
        mark = "  current" if item.current and item.number else ""
        if item.error:
            print(f"{number:>6}  cannot be read: {item.error}")
        else:
            print(f"{number:>6}  {item.created}  {item.artifacts} artifacts{mark}")
