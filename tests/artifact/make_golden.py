"""Write the golden artifacts that are missing: `python -m tests.artifact.make_golden`.

Files that exist are never changed: what an earlier version wrote must stay readable. To replace
one on purpose, delete it first.
"""

from __future__ import annotations

import json

from tests.artifact.golden_files import DIRECTORY, describe
from tests.artifact.samples import BOOSTERS, FILES


def main() -> None:
    """Write each missing pair of `<name>.qma` and `<name>.json`."""
    for name, make in (FILES | BOOSTERS).items():
        artifact, record = DIRECTORY / f"{name}.qma", DIRECTORY / f"{name}.json"
        if artifact.exists() and record.exists():
            continue
        data = make()
        artifact.write_bytes(data)
        record.write_text(json.dumps(describe(name, data), indent=1, sort_keys=True) + "\n")
        print(f"wrote {name}: {len(data)} bytes")


if __name__ == "__main__":
    main()
