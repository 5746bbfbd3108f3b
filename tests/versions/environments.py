"""Run the tests in environments of other versions: the lowest set, those between, other Pythons.

    .venv/bin/python -m tests.versions.environments [name ...] [--smoke] [--folder FOLDER]

Makes `.venvs/<name>` with pip where it is missing, from the requirements in pyproject.toml. What is
run is this checkout with its compiled kernels, which fit every Python. `--smoke` runs a part that
takes two minutes; `-- ARGUMENTS` gives pytest other arguments.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".venvs"
# Extras whose libraries the tests ask for, without what only clusters, browsers and S3 need.
EXTRAS = ("quantize", "report", "flow", "signing", "metrics")
LOWEST = ROOT / "constraints-lowest.txt"
_HEADER = """\
# The lowest version of each requirement that pyproject.toml admits, for `make test-versions` and
# CI's smoke. Written by `make constraints-lowest`.
"""
TOOLS = ("lightgbm", "xgboost-cpu", "pytest>=8", "pytest-xdist>=3.6", "hypothesis>=6.100",
         "safetensors>=0.5", "setuptools>=77", "imbalanced-learn", "category_encoders", "gunicorn",
         "opentelemetry-sdk", "cloudpickle", "psutil", "skops")  # fmt: skip


@dataclass(frozen=True)
class Environment:
    """A Python and the versions in it.

    Attributes
    ----------
    python : str
        "3.11": the language's version.
    pins : tuple of str
        Requirements beside those of pyproject.toml.
    constraints : str
        A file of exact versions; empty: the newest that the requirements admit.
    """

    python: str
    pins: tuple[str, ...] = ()
    constraints: str = ""


ENVIRONMENTS = {
    "lowest": Environment("3.11", constraints="constraints-lowest.txt"),
    "1.7": Environment(
        "3.11", ("scikit-learn==1.7.2", "numpy<2.4", "scipy<1.17", "pandas<3", "lightgbm==4.6.0",
                 "xgboost-cpu==3.0.5")
    ),
    "1.8": Environment(
        "3.11", ("scikit-learn==1.8.0", "numpy<2.4", "scipy<1.17", "pandas<3", "lightgbm==4.6.0",
                 "xgboost-cpu==3.1.3")
    ),
    "python-3.12": Environment("3.12", constraints="constraints.txt"),
    "newest": Environment("3.13"),
}  # fmt: skip

# Rooms whose answers hang on the versions of the libraries that models are of.
MAIN_TESTS = (
    "tests/versions", "tests/families", "tests/estimators", "tests/loading", "tests/predictor",
    "tests/artifact", "tests/probes", "tests/pipeline", "tests/kernels", "tests/codecs",
    "tests/schemes", "tests/graph", "tests/planning", "tests/evaluation", "tests/serving",
    "tests/batch", "tests/release", "tests/report", "tests/config", "tests/commands",
    "tests/files", "tests/test_api.py", "tests/test_records.py",
)  # fmt: skip
# Libraries of one age warn of what others of that age do; those warnings are not ours to end.
TOLERATED = ("-W", "default::FutureWarning", "-W", "default::DeprecationWarning")
# The corpus, artifacts of the format, answers of every reader; and that the command line starts.
SMOKE_TESTS = ("tests/versions", "tests/artifact/test_golden.py", "tests/predictor",
               "tests/pipeline/test_in_memory.py", "tests/codecs",
               "tests/commands/test_application.py")  # fmt: skip


def requirements() -> list[str]:
    """What the project and its tests need, from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(each for name in EXTRAS for each in extras[name])]
    return [each for each in wanted if not each.startswith(project["name"])] + list(TOOLS)


def write_lowest() -> None:
    """Write `constraints-lowest.txt`: what uv finds lowest for each direct requirement."""
    wanted = [name for name in requirements() if name not in TOOLS] + list(lowest_boosters())
    command = ["-m", "uv", "pip", "compile", "--resolution", "lowest-direct", "--python-version",
               ENVIRONMENTS["lowest"].python, "--only-binary", ":all:", "--no-annotate",
               "--no-header", "-q", "-"]  # fmt: skip
    found = subprocess.run(
        [sys.executable, *command],
        input="\n".join(wanted),
        capture_output=True,
        text=True,
        check=True,
    )
    LOWEST.write_text(_HEADER + found.stdout, encoding="utf-8")


def lowest_boosters() -> Iterator[str]:
    """The requirements of the development extra that are libraries of models."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name in project["optional-dependencies"]["dev"]:
        if name.startswith(("lightgbm", "xgboost")):
            yield name


def interpreter(version: str) -> Path | None:
    """A Python of this version: on the path, or one that pyenv has; None if neither has it."""
    for path in _interpreters(version):
        asked = [str(path), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        try:
            said = subprocess.run(asked, capture_output=True, text=True, check=False)
        except OSError:
            continue
        if said.stdout.strip() == version:
            return path
    return None


def _interpreters(version: str) -> Iterator[Path]:
    yield Path(sys.executable)
    found = shutil.which(f"python{version}")
    if found:
        yield Path(found)
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    yield from sorted(kept.glob(f"{version}.*/bin/python"), reverse=True)


def made(name: str, folder: Path) -> Path | None:
    """The interpreter of the environment, which is made first where it is missing.

    None where this machine has no Python of its version.
    """
    environment = ENVIRONMENTS[name]
    home = folder / name
    python = home / "bin" / "python"
    if (home / "made").exists():
        return python
    base = interpreter(environment.python)
    if base is None:
        return None
    subprocess.run([str(base), "-m", "venv", "--clear", str(home)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
               "--only-binary", ":all:"]  # fmt: skip
    if environment.constraints:
        install += ["-c", str(ROOT / environment.constraints)]
    subprocess.run([*install, *requirements(), *environment.pins], check=True)
    if not list(ROOT.glob("*.egg-info")):  # the name and version of this checkout
        subprocess.run([str(python), "setup.py", "-q", "egg_info"], cwd=ROOT, check=True)
    (home / "made").touch()
    return python


def run(name: str, folder: Path, arguments: list[str]) -> int:
    """Run pytest with these arguments in the environment; return its exit code."""
    python = made(name, folder)
    wanted = ENVIRONMENTS[name].python
    if python is None:
        print(f"== {name}: NOT RUN: no Python {wanted} here (on the path, or pyenv's)", flush=True)
        return 1
    shown = subprocess.run(
        [str(python), "-c", _VERSIONS], capture_output=True, text=True, check=True, cwd=folder
    )
    print(f"== {name}: {shown.stdout.strip()}", flush=True)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [str(python), "-m", "pytest", "-q", *TOLERATED, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


_VERSIONS = """
import importlib.metadata, platform
names = ("scikit-learn", "numpy", "scipy", "pandas", "lightgbm", "xgboost-cpu")
print("Python", platform.python_version(), *(f"{n} {importlib.metadata.version(n)}" for n in names))
"""


def main() -> None:
    """Run every environment, or those that are named; exit with the worst code."""
    given = sys.argv[1:]
    split = given.index("--") if "--" in given else len(given)
    own, rest = given[:split], given[split + 1 :]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*ENVIRONMENTS, []])
    parser.add_argument("--smoke", action="store_true", help="a part that takes two minutes")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where environments are kept")
    parser.add_argument("--write-lowest", action="store_true", help="write constraints-lowest.txt")
    parser.add_argument("--make-only", action="store_true", help="install, and run nothing")
    asked = parser.parse_args(own)
    if asked.write_lowest:
        write_lowest()
        return
    names = asked.names or list(ENVIRONMENTS)
    asked.folder.mkdir(parents=True, exist_ok=True)
    if asked.make_only:
        sys.exit(0 if None not in [made(name, asked.folder) for name in names] else 1)
    arguments = rest or ["-m", "not slow", *(SMOKE_TESTS if asked.smoke else MAIN_TESTS)]
    sys.exit(max(run(name, asked.folder, arguments) for name in names))


if __name__ == "__main__":
    main()
