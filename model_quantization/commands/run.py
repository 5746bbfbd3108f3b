"""`model-quantization run`: runs a configuration, as the flow does, without Prefect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_quantization.commands.batch_run import run_directory
from model_quantization.commands.exit_codes import ExitCode
from model_quantization.commands.options import (
    DEFAULTS,
    FOR_A_FILE,
    AsJson,
    ConfigFile,
    DirectoryOptions,
    DryRun,
    ModelDir,
    ModelOptions,
    Only,
    PrintConfig,
    configured,
    with_option_records,
)
from model_quantization.commands.output import print_json
from model_quantization.errors import ConfigError

if TYPE_CHECKING:
    from model_quantization.config.run_config import RunConfig


@with_option_records(leave_out=(*FOR_A_FILE, *DEFAULTS))
def run(
    config: ConfigFile = "configs/nightly.yaml",
    model_dir: ModelDir = None,
    *,
    options: ModelOptions,
    only: Only = None,
    release: DirectoryOptions,
    dry_run: DryRun = False,
    print_config: PrintConfig = False,
    as_json: AsJson = False,
) -> ExitCode:
    """Run a configuration without Prefect.

    The command does what the flow does with the same configuration. An option that is not given
    keeps its value in the configuration. Every key can also be set in the environment:
    MLQ_BIT_DEPTH=16, MLQ_GATE__ALLOWED_DROP=0.01.
    """
    check_only_one(dry_run=dry_run, print_config=print_config)

    def configure() -> RunConfig:
        from model_quantization.config.file import load_config
        from model_quantization.places import configuration_path

        given = configured(options, release, model_dir=model_dir, only=only)
        return load_config(configuration_path(config), given=given)

    if print_config:
        print_json(configure().model_dump(mode="json"))
    elif dry_run:
        print_preview(configure(), as_json=as_json)
    else:
        return run_directory(configure, as_json=as_json, junit=release.junit)
    return ExitCode.ALL_WELL


def print_preview(config: RunConfig, *, as_json: bool) -> None:
    """Print what a run would do with each model, and why."""
    from model_quantization.batch.preview import preview

    planned = preview(config)
    if as_json:
        print_json(planned.to_json())
    else:
        print("\n".join(planned.lines()))


def check_only_one(**instead_of_a_run: bool) -> None:
    """Check that at most one of these options was given.

    Raises
    ------
    ConfigError
        Two of them exclude each other.
    """
    given = [f"--{name.replace('_', '-')}" for name, asked in instead_of_a_run.items() if asked]
    if len(given) > 1:
        raise ConfigError(
            "these options do not go together", got=" and ".join(given), do="leave one of them out"
        )
