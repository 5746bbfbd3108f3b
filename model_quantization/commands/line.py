"""The command line of `python -m model_quantization`: one parser, one exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from model_quantization.errors import ConfigError, QuantizationError

ALL_WELL, FOUND_SOMETHING, BAD_USAGE = 0, 1, 2

EPILOG = """\
Exit codes
  0  all well
  1  something is wrong; a line says what
  2  bad usage

Keys are PEM files, or `env:NAME` for one in the environment. Public keys that are not given are
those that ML_PUBLIC_KEYS names, separated by colons.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of `python -m model_quantization`."""
    parser = argparse.ArgumentParser(
        prog="python -m ml",
        description="Look after releases of quantized models.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    verify = commands.add_parser("verify", help="check a whole release against its manifest")
    verify.add_argument("directory", type=Path, help="the output directory")
    _add_keys(verify)
    verify.add_argument(
        "--answers", action="store_true", help="also have each artifact answer its golden rows"
    )
    verify.add_argument(
        "--trusted", action="append", default=[], metavar="MODULE:NAME",
        help="a class of your own that models may hold; may be repeated",
    )  # fmt: skip
    _add_json(verify)

    doctor = commands.add_parser("doctor", help="say which defences are active on this machine")
    doctor.add_argument(
        "directory", type=Path, nargs="?", help="where releases go (default: a temporary one)"
    )
    _add_json(doctor)

    keygen = commands.add_parser("keygen", help="make a pair of keys for signing")
    keygen.add_argument("private", type=Path, help="file for the private key; must not exist yet")
    keygen.add_argument("--public", type=Path, help="file for the public key (default: beside it)")

    inspect = commands.add_parser("inspect", help="say what an artifact holds")
    inspect.add_argument("artifact", type=Path, help="a .qma file")
    _add_json(inspect)

    rollback = commands.add_parser("rollback", help="publish an earlier release again")
    rollback.add_argument("directory", help="the output directory, or its URL in object storage")
    rollback.add_argument(
        "release", type=int, nargs="?", help="its number; without one, releases are listed"
    )
    rollback.add_argument("--signing-key", metavar="KEY", help="signs the new release")
    _add_keys(rollback)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of one command."""
    arguments = build_parser().parse_args(argv)
    try:
        return _run(arguments)
    except ConfigError as error:
        return _complain(error, BAD_USAGE)
    except (QuantizationError, OSError) as error:
        return _complain(error, FOUND_SOMETHING)


def _run(arguments: argparse.Namespace) -> int:
    # A command's own imports are paid for by that command only.
    match arguments.command:
        case "verify":
            from model_quantization.commands import verify

            return verify.run(
                arguments.directory,
                public_keys=tuple(arguments.public_key),
                trusted=tuple(arguments.trusted),
                answers=arguments.answers,
                as_json=arguments.json,
            )
        case "doctor":
            from model_quantization.commands import doctor

            return doctor.run(arguments.directory, as_json=arguments.json)
        case "keygen":
            from model_quantization.commands import keygen

            return keygen.run(arguments.private, arguments.public)
        case "inspect":
            from model_quantization.commands import contents

            return contents.run(arguments.artifact, as_json=arguments.json)
    from model_quantization.commands import rollback

    return rollback.run(
        arguments.directory,
        arguments.release,
        signing_key=arguments.signing_key,
        public_keys=tuple(arguments.public_key),
    )


def _add_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--public-key", action="append", default=[], metavar="KEY",
        help="a key whose signatures count; may be repeated",
    )  # fmt: skip


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, and nothing else")


def _complain(error: Exception, code: int) -> int:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return code
