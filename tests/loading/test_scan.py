"""Scanning: what Python and joblib write passes, each attack gets its named error, nothing runs."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import pickle
import struct
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model_quantization.errors import (
    HostileFile,
    InputRefused,
    LimitError,
    PathRefused,
    ScanMalformed,
    ScanRefused,
)
from model_quantization.limits import Limits
from model_quantization.loading.pickles.scan import ScannedFile, scan
from model_quantization.trust import TrustPolicy
from tests.attacks.pickles import (
    HOSTILE_PICKLES,
    MALFORMED,
    MARKER,
    TOO_LARGE,
    program,
    text,
)
from tests.loading.fitted_models import fit_composites, fit_every_estimator

LIMITS = Limits()
TRUST = TrustPolicy()


def scan_bytes(
    raw: bytes, root: Path, *, trust: TrustPolicy = TRUST, limits: Limits = LIMITS
) -> ScannedFile:
    workspace = Path(tempfile.mkdtemp(dir=root))
    source = workspace / "model.pkl"
    source.write_bytes(raw)
    return scan(source, trust, limits, workspace)


def dumped(model: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    joblib.dump(model, stream, **options)
    return stream.getvalue()


# What passes.


@pytest.mark.filterwarnings("ignore")
def test_every_estimator_passes(tmp_path: Path) -> None:
    count = 0
    for count, (name, model) in enumerate(fit_every_estimator(), 1):
        protocol = count % 6
        found = scan_bytes(pickle.dumps(model, protocol), tmp_path)
        assert found.format == "pickle", name
        assert found.protocol == protocol, name
        joblib_format = scan_bytes(dumped(model), tmp_path).format
        assert joblib_format in ("pickle", "joblib"), name
    assert count > 200


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_estimator_passes_in_every_protocol_and_compression(tmp_path: Path) -> None:
    for name, model in fit_every_estimator(per_class=20):
        for protocol in range(6):
            assert scan_bytes(pickle.dumps(model, protocol), tmp_path).names, name
            assert scan_bytes(dumped(model, protocol=protocol), tmp_path).names, name
        for compression in ("zlib", "gzip", "bz2", "lzma", "xz"):
            found = scan_bytes(dumped(model, compress=(compression, 1)), tmp_path)
            assert found.names and found.compression == compression, name


@pytest.mark.filterwarnings("ignore")
def test_models_that_hold_models_functions_and_containers_pass(tmp_path: Path) -> None:
    for number, (name, model) in enumerate(fit_composites()):
        found = scan_bytes(pickle.dumps(model, number % 6), tmp_path)
        assert found.names, name
        scan_bytes(dumped(model), tmp_path)


@pytest.mark.parametrize(
    ("compress", "compression"),
    [(0, ""), (3, "zlib"), (("gzip", 3), "gzip"), (("bz2", 3), "bz2"), (("lzma", 3), "lzma"),
     (("xz", 3), "xz")],
)  # fmt: skip
def test_joblib_files_pass_in_every_compression(
    tmp_path: Path, compress: Any, compression: str
) -> None:
    model = {"a": np.arange(1000.0), "b": np.asfortranarray(np.eye(7)), "c": np.array(["x", None])}
    raw = dumped(model, compress=compress)
    found = scan_bytes(raw, tmp_path)
    assert found.compression == compression
    assert found.format == "joblib"
    assert found.size_bytes == len(raw)
    assert found.sha256 == hashlib.sha256(raw).hexdigest()
    loaded = joblib.load(found.snapshot)
    np.testing.assert_array_equal(loaded["a"], model["a"])
    np.testing.assert_array_equal(loaded["b"], model["b"])
    assert list(loaded["c"]) == ["x", None]


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress, bz2.compress, lzma.compress])
def test_compressed_plain_pickles_pass(tmp_path: Path, compress: Any) -> None:
    model = {"a": list(range(10_000)), "b": "é" * 5000}
    found = scan_bytes(compress(pickle.dumps(model)), tmp_path)
    assert found.format == "pickle"
    assert pickle.loads(found.snapshot.read_bytes()) == model


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("protocol", range(6))
def test_every_kind_of_value_passes(tmp_path: Path, protocol: int) -> None:
    import datetime
    from collections import Counter, OrderedDict, defaultdict, deque

    values = [
        None, True, -1, 255, 65_535, 2**31, 2**70, -(2**70), 0.5, float("nan"), "", "é\n" * 3000,
        b"", b"a" * 5000, bytearray(b"ab"), (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], {},
        {1, 2}, frozenset({3}), {("a", 1): "b"}, complex(1, 2), range(3), slice(1, 2),
        datetime.datetime(2020, 1, 2), datetime.timedelta(1), OrderedDict(a=1), Counter("aab"),
        defaultdict(list, a=[1]), deque([1, 2], maxlen=3), np.float32(1), np.str_("a"),
        np.datetime64("2020-01-01"), np.arange(6).reshape(2, 3).T, np.array([1.0], ">f4"),
        np.array([(1, 2.0)], np.dtype([("a", "<i4"), ("b", "<f8")], align=True)),
        np.array(["a", None, 2.0], object), np.array(["ab", "c"]), np.array([b"ab"]), np.zeros(0),
        np.array(3.0), np.ma.array([1.0, 2.0], mask=[True, False]), np.matrix([[1]]),
        np.array(["2020-01-01"], "M8[D]"), np.random.RandomState(0), np.random.default_rng(0),
        np.float64, np.log1p, np.dtype("f8"),
    ]  # fmt: skip
    for value in values:
        found = scan_bytes(pickle.dumps([value, value], protocol), tmp_path)
        assert found.protocol == protocol, value
    scan_bytes(dumped(values, protocol=protocol), tmp_path)


def test_what_it_says_about_a_model(tmp_path: Path) -> None:
    import sklearn
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    found = scan_bytes(pickle.dumps(model), tmp_path)
    assert found.sklearn_version == sklearn.__version__
    assert "sklearn.linear_model._logistic:LogisticRegression" in found.names
    assert "numpy:ndarray" in found.names
    assert found.snapshot.parent == found.source.parent
    assert scan_bytes(pickle.dumps([1, 2]), tmp_path).sklearn_version is None


def test_names_of_python_2_are_mapped_as_unpicklers_do(tmp_path: Path) -> None:
    found = scan_bytes(pickle.dumps({1, 2}, 2), tmp_path)  # writes `__builtin__ set`
    assert found.names == {"builtins:set"}


def test_a_trusted_name_passes_and_only_then(tmp_path: Path) -> None:
    import fractions

    raw = pickle.dumps(fractions.Fraction(1, 2))
    with pytest.raises(ScanRefused, match="fractions:Fraction is not on the allow-list"):
        scan_bytes(raw, tmp_path)
    assert scan_bytes(raw, tmp_path, trust=TrustPolicy(frozenset({"fractions:Fraction"}))).names


# What does not.


@pytest.mark.parametrize("attack", HOSTILE_PICKLES)
def test_hostile_pickles_are_refused_and_never_run(attack: str, tmp_path: Path) -> None:
    with pytest.raises(ScanRefused) as caught:
        scan_bytes(HOSTILE_PICKLES[attack], tmp_path)
    assert "model.pkl" in caught.value.where
    assert caught.value.do
    assert not Path(MARKER).exists()


@pytest.mark.parametrize("attack", TOO_LARGE)
def test_announcements_beyond_the_limits_are_limit_errors(attack: str, tmp_path: Path) -> None:
    with pytest.raises(LimitError) as caught:
        scan_bytes(TOO_LARGE[attack], tmp_path)
    assert "model.pkl" in caught.value.where
    assert caught.value.do


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_no_pickle_is_malformed(case: str, tmp_path: Path) -> None:
    with pytest.raises(ScanMalformed) as caught:
        scan_bytes(MALFORMED[case], tmp_path)
    assert "model.pkl" in caught.value.where
    assert caught.value.do


def test_a_refusal_names_file_offset_opcode_and_global(tmp_path: Path) -> None:
    with pytest.raises(ScanRefused) as caught:
        scan_bytes(HOSTILE_PICKLES["01 os.system"], tmp_path)
    message = str(caught.value)
    assert "model.pkl: byte 20 (STACK_GLOBAL): os:system is not on the allow-list" in message
    assert message.endswith("; this file runs programs when it is opened: do not open it.")
    assert "trusted" not in message
    assert type(caught.value) is HostileFile


@pytest.mark.parametrize(
    "compress",
    [zlib.compress, bz2.compress, lzma.compress, gzip.compress],
    ids=["zlib", "bz2", "lzma", "gzip"],
)
@pytest.mark.bad_input(21)
def test_decompression_bombs_stop_at_the_limit(tmp_path: Path, compress: Any) -> None:
    limits = replace(LIMITS, decompressed_bytes=1 << 20)
    with pytest.raises(LimitError, match="decompresses to more than is allowed"):
        scan_bytes(compress(bytes(30 << 20)), tmp_path, limits=limits)
    workspace = max(tmp_path.iterdir(), key=os.path.getmtime)
    assert (workspace / "snapshot").stat().st_size <= 2 << 20


def test_lzma_dictionary_of_gigabytes_is_a_limit_error(tmp_path: Path) -> None:
    header = b"\x5d" + struct.pack("<I", 0xFFFFFFFF) + b"\xff" * 8
    raw = b"\x5d\x00" + struct.pack("<I", 0xFFFFFFFF)[1:] + b"\xff" * 8 + bytes(64)
    assert len(header) == 13
    with pytest.raises(LimitError, match="too much memory"):
        scan_bytes(raw, tmp_path)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (replace(LIMITS, file_bytes=10), "is too large"),
        (replace(LIMITS, decompressed_bytes=10), "is too large"),
        (replace(LIMITS, pickle_opcodes=20), "too many opcodes"),
        (replace(LIMITS, pickle_memo=5), "too many memo entries"),
    ],
)
def test_limits_of_one_file(tmp_path: Path, limits: Limits, message: str) -> None:
    with pytest.raises(LimitError, match=message):
        scan_bytes(pickle.dumps([[str(number)] for number in range(30)]), tmp_path, limits=limits)


def test_depth_is_what_the_limits_say(tmp_path: Path) -> None:
    value: list[Any] = []
    for _ in range(50):
        value = [value]
    raw = pickle.dumps(value)
    scan_bytes(raw, tmp_path, limits=replace(LIMITS, pickle_depth=60))
    with pytest.raises(ScanRefused, match="nests too deep"):
        scan_bytes(raw, tmp_path, limits=replace(LIMITS, pickle_depth=40))


def test_depth_counts_every_container_and_no_more(tmp_path: Path) -> None:
    value: Any = ()
    for level in range(30):
        value = [[value], (value, 1), {"a": value}][level % 3]
    limits = replace(LIMITS, pickle_depth=31)
    scan_bytes(pickle.dumps([value, value]), tmp_path, limits=replace(limits, pickle_depth=32))
    scan_bytes(pickle.dumps(value), tmp_path, limits=limits)
    with pytest.raises(ScanRefused, match=r"nests too deep; expected at most 31 levels, got 32"):
        scan_bytes(pickle.dumps([value, ()]), tmp_path, limits=limits)


def test_what_is_shared_counts_as_often_as_it_is_held(tmp_path: Path) -> None:
    limits = replace(LIMITS, nodes=100)
    shared: list[Any] = []
    scan_bytes(pickle.dumps([shared] * 99), tmp_path, limits=limits)
    with pytest.raises(ScanRefused, match=r"at most 100 containers, got 101 out of 2"):
        scan_bytes(pickle.dumps([shared] * 100), tmp_path, limits=limits)
    # Many containers may be shared as often as small ones: twenty times as many as there are.
    held = [[number] for number in range(10)]
    scan_bytes(pickle.dumps([held] * 21), tmp_path, limits=limits)
    with pytest.raises(ScanRefused, match="out of 12"):
        scan_bytes(pickle.dumps([held] * 22), tmp_path, limits=limits)


def test_cycles_and_sharing_are_no_attack(tmp_path: Path) -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    shared = {"a": 1}
    scan_bytes(pickle.dumps([cycle, [shared] * 100_000]), tmp_path)


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    model = [np.arange(1000.0), "text", np.array(["x", None], object)]
    for raw in (pickle.dumps(model, 4), dumped(model), dumped(model, compress=3)):
        for length in range(1, len(raw) - 1, len(raw) // 60):
            with pytest.raises((ScanMalformed, ScanRefused)) as caught:
                scan_bytes(raw[:length], tmp_path)
            assert "model.pkl" in str(caught.value)


def test_a_payload_cut_off_is_malformed(tmp_path: Path) -> None:
    raw = pickle.dumps(np.arange(10_000.0), 4)
    with pytest.raises(ScanMalformed, match="the file ends in the middle; expected 80,000 more"):
        scan_bytes(raw[:5000], tmp_path)


# The file system.


@pytest.mark.bad_input(23, 24)
def test_only_plain_files_are_opened(tmp_path: Path) -> None:
    real = tmp_path / "real.pkl"
    real.write_bytes(pickle.dumps(1))
    link, fifo, folder = tmp_path / "link.pkl", tmp_path / "fifo.pkl", tmp_path / "folder.pkl"
    link.symlink_to(real)
    os.mkfifo(fifo)
    folder.mkdir()
    cases = [
        (link, "got a link"), (fifo, "a pipe"), (folder, "a directory"),
        (Path("/dev/null"), "a device"), (tmp_path / "none.pkl", "there is no such file"),
        (Path("a\0b.pkl"), "null"), (tmp_path / "a\nb.pkl", r"a\\nb"),
    ]  # fmt: skip
    for path, message in cases:
        workspace = Path(tempfile.mkdtemp(dir=tmp_path))
        with pytest.raises(PathRefused, match=message):
            scan(path, TRUST, LIMITS, workspace)


@pytest.mark.bad_input(26)
def test_the_scanned_bytes_are_the_ones_that_are_loaded(tmp_path: Path) -> None:
    source = tmp_path / "model.pkl"
    source.write_bytes(pickle.dumps("good"))
    workspace = tmp_path / "private"
    workspace.mkdir(mode=0o700)
    found = scan(source, TRUST, LIMITS, workspace)
    source.write_bytes(HOSTILE_PICKLES["01 os.system"])  # swapped after the scan
    assert pickle.loads(found.snapshot.read_bytes()) == "good"
    assert found.sha256 == hashlib.sha256(pickle.dumps("good")).hexdigest()


# Properties.

_ATOMS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=30)
)
_VALUES = st.recursive(
    _ATOMS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=5)
        | st.sets(st.integers(), max_size=5)
    ),
    max_leaves=30,
)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(value=_VALUES, protocol=st.integers(0, 5))
@example(value="\ud800", protocol=4)
def test_plain_data_always_passes(
    tmp_path_factory: pytest.TempPathFactory, value: Any, protocol: int
) -> None:
    root = tmp_path_factory.mktemp("data")
    assert scan_bytes(pickle.dumps(value, protocol), root).format == "pickle"


_GOOD = [
    pickle.dumps({"a": np.arange(3.0), "b": ["x", (1, 2)], "c": np.array([None], object)}, 4),
    dumped([np.arange(3.0), np.array([None, "x"], object), {"a": 1}]),
    pickle.dumps({"a": np.arange(3.0)}, 0),
]


@settings(deadline=None, derandomize=True, max_examples=400)
@given(data=st.data())
def test_a_changed_file_passes_or_is_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    raw = bytearray(data.draw(st.sampled_from(_GOOD)))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    root = tmp_path_factory.mktemp("data")
    try:
        scan_bytes(bytes(raw), root)
    except (InputRefused, LimitError) as error:
        assert error.do


@settings(deadline=None, derandomize=True, max_examples=300)
@given(raw=st.binary(max_size=60))
def test_arbitrary_bytes_give_named_errors_only(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    root = tmp_path_factory.mktemp("data")
    try:
        scan_bytes(program(raw), root)
    except (InputRefused, LimitError) as error:
        assert error.do


def test_long_texts_and_bytes_stay_in_the_file(tmp_path: Path) -> None:
    found = scan_bytes(program(text("a" * 100_000)), tmp_path)
    assert found.protocol == 4
