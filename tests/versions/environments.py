"""Run the main tests in environments of other versions: the lowest set, and those between.

    .venv/bin/python -m tests.versions.environments [name ...] [--smoke]

Makes `.venvs/<name>` with pip where it is missing. `--smoke` runs the corpus's quick test only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = ("pytest>=8", "hypothesis>=6.100", "rich>=13.7", "pyyaml>=6.0", "pydantic>=2.9",
          "jinja2>=3.1", "safetensors>=0.5", "fsspec>=2025.3")  # fmt: skip
# The lowest set is that of pyproject.toml.
ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "lowest": (
        "scikit-learn==1.6.0", "numpy==2.1.0", "scipy==1.13.1", "pandas==2.2.2",
        "joblib==1.4.2", "pyarrow==17.0.0", "zstandard==0.24.0", "pcodec==1.0.0",
        "matplotlib==3.9.2",
    ),
    "1.7": ("scikit-learn==1.7.2", "numpy<2.4", "scipy<1.17", "pandas<3", "pyarrow",
            "zstandard", "pcodec", "matplotlib"),
    "1.8": ("scikit-learn==1.8.0", "numpy<2.5", "scipy<1.18", "pandas<3", "pyarrow",
            "zstandard", "pcodec", "matplotlib"),
}  # fmt: skip
MAIN_TESTS = ("tests/versions", "tests/families", "tests/estimators", "tests/loading",
              "tests/predictor", "tests/artifact")  # fmt: skip
SMOKE_TESTS = ("tests/versions",)


def made(name: str) -> Path:
    """The interpreter of the environment, which is made first where it is missing."""
    folder = ROOT / ".venvs" / name
    python = folder / "bin" / "python"
    if not (folder / "made").exists():
        venv.create(folder, with_pip=True)
        install = [str(python), "-m", "pip", "install", "-q", "--only-binary", ":all:"]
        subprocess.run([*install, *ENVIRONMENTS[name], *SHARED], check=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", "--no-deps", str(ROOT)], check=True
        )
        (folder / "made").touch()
    return python


def run(name: str, tests: tuple[str, ...]) -> int:
    """Run these tests in the environment; return pytest's exit code."""
    python = made(name)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [str(python), "-m", "pytest", "-q", "-m", "not slow", *tests]
    print(f"== {name}: {' '.join(ENVIRONMENTS[name])}", flush=True)
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def main() -> None:
    """Run every environment, or those that are named; exit with the worst code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*ENVIRONMENTS, []])
    parser.add_argument("--smoke", action="store_true")
    asked = parser.parse_args()
    tests = SMOKE_TESTS if asked.smoke else MAIN_TESTS
    sys.exit(max(run(name, tests) for name in asked.names or ENVIRONMENTS))


if __name__ == "__main__":
    main()
