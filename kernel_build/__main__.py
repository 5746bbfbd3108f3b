"""`python -m kernel_build`: build the kernels of this checkout in place."""

from __future__ import annotations

import argparse
import sys
import time

from kernel_build.build import in_place

NO_COMPILER = 2


def main(arguments: list[str] | None = None) -> int:
    """Build, and say how long it took; 1 where that failed, 2 without a compiler."""
    parser = argparse.ArgumentParser(prog="python -m kernel_build", description=__doc__)
    parser.add_argument(
        "--sanitize", action="store_true", help="with address and undefined-behaviour sanitizers"
    )
    given = parser.parse_args(arguments)
    begun = time.perf_counter()
    try:
        made = in_place(given.sanitize)
    except FileNotFoundError as error:
        print(f"kernels: {error}", file=sys.stderr)
        return NO_COMPILER
    except (RuntimeError, ValueError) as error:
        print(f"kernels: {error}", file=sys.stderr)
        return 1
    size_kib = made.stat().st_size / 1024
    print(f"kernels: {made} ({size_kib:,.0f} KiB) in {time.perf_counter() - begun:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
