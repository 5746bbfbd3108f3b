"""A loader under load: 8 threads predicting while releases are switched, damaged and removed.

`python -m benchmarks.loader_under_load [switches] [switches a minute]`
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from pathlib import Path

from benchmarks.kept import keep
from tests.serving.load import serve_under_load


def main() -> None:
    switches = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    pace = float(sys.argv[2]) if len(sys.argv) > 2 else 200.0
    logging.getLogger("model_quantization.serving").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="load-") as directory:
        figures = serve_under_load(Path(directory), switches=switches, switches_a_minute=pace)
    record = {
        "threads": 8,
        "seconds": round(figures.seconds, 1),
        "requests": figures.calls,
        "requests_a_second": round(figures.calls / figures.seconds),
        "rows_a_request": 40,
        "switches": figures.switches,
        "releases_seen": sorted(figures.seen),
        "wrong_answers": figures.wrong,
        "exceptions": len(figures.errors),
        "rss_growth_mib": round(figures.rss_growth_bytes / (1 << 20), 1),
        "descriptor_growth": figures.descriptor_growth,
    }
    print(json.dumps(record, indent=1))
    path = Path(__file__).parent / "results" / "loader_under_load.json"
    keep(path, record)


if __name__ == "__main__":
    main()
