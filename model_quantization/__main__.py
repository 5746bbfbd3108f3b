"""The command `model-quantization`, also `python -m model_quantization`.

The command line needs the extra `quantize`. Without it, the command says so.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from model_quantization.errors import MissingExtra
from model_quantization.extras import need


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; by default those of the process.
    """
    try:
        need("the command line", "typer")
    except MissingExtra as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    from model_quantization.commands.application import main as run_command

    return run_command(argv)


if __name__ == "__main__":
    sys.exit(main())
