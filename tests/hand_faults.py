"""Faults put in by hand, each of which a test must notice.

    python -m tests.hand_faults              all of them, in a copy of the checkout
    python -m tests.hand_faults bonferroni   those whose name holds a word

Each was once in the code, or could have been, without a test that failed. Mutation testing
(`tests/mutants.py`) makes many faults blindly; these are the ones that would give wrong answers,
read foreign memory, or publish what was not proven. `tests/test_hand_faults.py` holds that each can
still be put in.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
_COPIED = (
    "model_quantization", "tests", "kernel_build", "benchmarks", "examples", "ml", "tasks", "flows",
    "fuzz", "docs", "pyproject.toml", "README.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile",
)  # fmt: skip


@dataclass(frozen=True)
class HandFault:
    """One fault: in `file` (below model_quantization), `old` becomes `new`; `tests` must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def path(self) -> str:
        return f"model_quantization/{self.file}"


FAULTS = (
    HandFault(
        "auto tries smaller plans after one that failed",
        "pipeline/evaluator.py",
        "NO_GAIN and found.verdict.attained in _PROVEN):\n            break",
        "NO_GAIN and found.verdict.attained in _PROVEN):\n            continue",
        ("tests/pipeline/test_auto.py",),
    ),
    HandFault(
        "classes_ not compared",
        "evaluation/proof.py",
        "        and _same_classes(original, candidate),",
        "        and True,",
        ("tests/evaluation/test_proof.py",),
    ),
    HandFault(
        "bootstrap without expansion",
        "evaluation/bootstrap.py",
        "np.sqrt(rows / (rows - 1)) * stdtrit(rows - 1, 1 - alpha)",
        "stdtrit(rows - 1, 1 - alpha)",
        ("tests/evaluation/test_bootstrap.py",),
    ),
    HandFault(
        "bootstrap with the normal quantile",
        "evaluation/bootstrap.py",
        "level = float(ndtr(np.sqrt(rows / (rows - 1)) * stdtrit(rows - 1, 1 - alpha)))",
        "level = 1 - alpha",
        ("tests/evaluation/test_bootstrap.py",),
    ),
    HandFault(
        "bootstrap with the lower neighbour of the quantile",
        "evaluation/bootstrap.py",
        'method="higher"',
        'method="lower"',
        ("tests/evaluation/test_bootstrap.py",),
    ),
    HandFault(
        "agreement tolerance 1e-3",
        "evaluation/agreement.py",
        "ROUNDED = 1e-6",
        "ROUNDED = 1e-3",
        ("tests/evaluation/test_proof.py", "tests/evaluation/test_gate.py"),
    ),
    HandFault(
        "loss bound without gamma",
        "evaluation/bounds.py",
        ".sum(axis=1).max() + gamma))",
        ".sum(axis=1).max()))",
        ("tests/evaluation/test_bounds.py",),
    ),
    HandFault(
        "protocol beyond the highest",
        "loading/pickles/opcodes.py",
        "machine.protocol > pickle.HIGHEST_PROTOCOL",
        "machine.protocol > pickle.HIGHEST_PROTOCOL + 1",
        ("tests/loading/test_scan.py", "tests/loading/test_refusals.py"),
    ),
    HandFault(
        "protocol inside the pickle",
        "loading/pickles/opcodes.py",
        "machine.op_start != machine.start or machine.protocol",
        "machine.protocol",
        ("tests/loading/test_scan.py", "tests/loading/test_refusals.py"),
    ),
    HandFault(
        "names of Python 2 by the protocol",
        "loading/pickles/machine.py",
        'name = current_name(":".join(todays_name(module, qualname)))',
        "today = todays_name(module, qualname) if (self.protocol or 0) <= 2 else (module, qualname)"
        '\n        name = current_name(":".join(today))',
        ("tests/loading/test_scan.py", "tests/loading/test_refusals.py"),
    ),
    HandFault(
        "of special attributes __class__ alone",
        "loading/pickles/states.py",
        'name.startswith("__")',
        'name == "__class__"',
        ("tests/loading/test_scan.py", "tests/loading/test_refusals.py"),
    ),
    HandFault(
        "memo gap",
        "loading/pickles/machine.py",
        "if index > len(self.memo) + 1:",
        "if index > len(self.memo) + 2:",
        ("tests/loading/test_scan.py", "tests/loading/test_refusals.py"),
    ),
    HandFault(
        "field in the last byte",
        "loading/pickles/array_state.py",
        "0 <= offset <= dtype.itemsize - inner.itemsize",
        "0 <= offset <= dtype.itemsize - 1",
        ("tests/loading/test_scan.py", "tests/loading/test_refusals.py"),
    ),
    HandFault(
        "masked void arrays",
        "loading/pickles/array_state.py",
        '_used(dtype).code[0] == "V" or size_of(mask)',
        "size_of(mask)",
        ("tests/loading/test_scan.py", "tests/loading/test_refusals.py"),
    ),
    HandFault(
        "directory of a moved object never synced",
        "files/atomic.py",
        "        source.replace(target)\n        sync_directory(target.parent)",
        "        source.replace(target)",
        ("tests/files/test_atomic.py", "tests/release/test_publish.py"),
    ),
    HandFault(
        "moved object never synced",
        "files/atomic.py",
        '        with source.open("rb") as stream:\n            os.fsync(stream.fileno())\n',
        "",
        ("tests/files/test_atomic.py", "tests/release/test_publish.py"),
    ),
    HandFault(
        "directory of a written file never synced",
        "files/atomic.py",
        "        if flush:\n            sync_directory(path.parent)",
        "",
        ("tests/files/test_atomic.py", "tests/release/test_publish.py"),
    ),
    HandFault(
        "forest columns unchecked",
        "estimators/checks/trees.py",
        'if tree.n_features_in_ != state["n_features_in_"]:',
        "if False:",
        ("tests/estimators/test_checks.py",),
    ),
    HandFault(
        "tree of an estimator unchecked",
        "estimators/checks/trees.py",
        'state["tree_"].n_features != state["n_features_in_"]',
        "False",
        ("tests/estimators/test_checks.py",),
    ),
    HandFault(
        "isolation column off by one",
        "estimators/checks/trees.py",
        "chosen.max() < seen[1]",
        "chosen.max() <= seen[1]",
        ("tests/estimators/test_checks.py",),
    ),
    HandFault(
        "a feature not held against columns: packed trees",
        "families/forest/predictors/packed_forest.py",
        "            or int(trees.feature.max(initial=0)) >= columns.shape[1]\n",
        "",
        ("tests/estimators/test_checks.py",),
    ),
    HandFault(
        "a feature not held against columns: reading trees",
        "families/forest/trees/reading.py",
        "int(feature.max()) < n_features",
        "int(feature.max()) <= n_features",
        ("tests/families/test_forest.py",),
    ),
    HandFault(
        "a feature not held against columns: links of trees",
        "kernels/trees/tree_links.py",
        "(feature >= n_features)",
        "(feature > n_features)",
        ("tests/kernels/test_tree_links.py",),
    ),
    HandFault(
        "watch not renewed after fork",
        "serving/watch.py",
        "self._looking = self._seen = None",
        "self._looking = None",
        ("tests/serving/test_watch.py", "tests/serving/test_fork.py"),
    ),
    HandFault(
        "log table of the text kernel one short",
        "kernels/text/steps.py",
        ">= len(tf):",
        "> len(tf):",
        ("tests/families/test_text.py",),
    ),
    HandFault(
        "log table of the compiled text kernel one short",
        "kernels/text/weighing.c",
        "count < tf.size",
        "count <= tf.size",
        ("tests/kernels/test_text_kernels.py", "tests/kernels/test_text_agreement.py"),
    ),
    HandFault(
        "leaves of -0.0 left out",
        "kernels/trees/leaf_sums.py",
        " or np.signbit(rows).any())",
        ")",
        ("tests/kernels/test_forest_kernels.py", "tests/families/test_forest.py"),
    ),
    HandFault(
        "a lone tree's -0.0 added to zero",
        "families/forest/predictors/averaged.py",
        "-0.0 if signed else 0.0",
        "0.0",
        ("tests/families/test_forest.py",),
    ),
    HandFault(
        "eight trees across two banks",
        "kernels/trees/single_row.c",
        "count == GROUP && banks.at[tree] == banks.at[tree + GROUP - 1]",
        "count == GROUP",
        ("tests/kernels/test_forest_kernels.py",),
    ),
    HandFault(
        "banks of a batch of rows",
        "kernels/trees/traversal.c",
        "walk_groups(words.at + banks.at[tree],",
        "walk_groups(words.at + banks.at[0],",
        ("tests/kernels/test_forest_kernels.py",),
    ),
    HandFault(
        "attacks whose restore always raises",
        "estimators/restore.py",
        "def restore(",
        "def restore(*args: Any, **kwargs: Any) -> Any:\n"
        '    raise SemanticError("refused", where="everything")\n\n\ndef _restore(',
        ("tests/attacks/test_native_code.py",),
    ),
    HandFault(
        "a fork does not wait for imports",
        "locks.py",
        "        if not _others_import() or time.monotonic() > deadline:",
        "        if True:",
        ("tests/test_locks.py",),
    ),
)


def noticed(fault: HandFault, copy: Path) -> bool:
    """Whether a test fails in a copy of the checkout that has the fault."""
    path = copy / fault.path
    whole = path.read_text("utf-8")
    assert whole.count(fault.old) == 1, f"{fault.name}: not there once: {fault.old!r}"
    path.write_text(whole.replace(fault.old, fault.new), "utf-8")
    is_compiled = path.suffix in (".c", ".h")
    try:
        if is_compiled:
            _build(copy)
        command = [
            sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider",
            "-m", "not slow", "--tb=line", *fault.tests,
        ]  # fmt: skip
        done = subprocess.run(
            command, cwd=copy, env=_environment(copy), capture_output=True, text=True, check=False
        )
        code = done.returncode
        assert code in (0, 1) or code < 0, done.stdout[-2000:] + done.stderr[-2000:]
        if code < 0:
            print(f"  by a crash ({signal.Signals(-code).name})", flush=True)
        elif code:
            failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED ")]
            print(f"  by {failed[0][7:].partition(' - ')[0] if failed else 'an error'}", flush=True)
        return code != 0
    finally:
        path.write_text(whole, "utf-8")
        if is_compiled:
            _build(copy)


def _environment(copy: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}


def _build(copy: Path) -> None:
    command = [sys.executable, "-m", "kernel_build"]
    subprocess.run(command, cwd=copy, env=_environment(copy), check=True, capture_output=True)


def main() -> int:
    """Put the faults in, one after the other; 1 when one was not noticed."""
    chosen = [each for each in FAULTS if all(word in each.name for word in sys.argv[1:])]
    missed = []
    with tempfile.TemporaryDirectory(prefix="hand-faults-") as folder:
        copy = Path(folder)
        for name in _COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name)
            elif source.exists():
                shutil.copy2(source, copy / name)
        for fault in chosen:
            print(fault.name, flush=True)
            if not noticed(fault, copy):
                print("  NOT NOTICED", flush=True)
                missed.append(fault.name)
    print(f"{len(chosen) - len(missed)} of {len(chosen)} noticed")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
