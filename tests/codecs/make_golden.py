"""Write the golden files that are missing: `python -m tests.codecs.make_golden`.

Files that exist are never changed, as artifacts written by earlier versions must stay readable. To
replace one on purpose, delete it first.
"""

from __future__ import annotations

import json

from tests.codecs.golden_cases import DIRECTORY, as_record, cases
from tests.codecs.pipelines import encode_with


def main() -> None:
    """Write each missing pair of `<name>.json` and `<name>.bin`."""
    for name, (codecs, values) in cases().items():
        record_path, data_path = DIRECTORY / f"{name}.json", DIRECTORY / f"{name}.bin"
        if record_path.exists() and data_path.exists():
            continue
        encoded = encode_with(codecs, values)
        record = as_record(name, encoded.pipeline, encoded.dtype, encoded.count)
        record_path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
        data_path.write_bytes(encoded.data)
        print(f"wrote {name}: {len(encoded.data)} bytes")


if __name__ == "__main__":
    main()
