"""What a scan refuses, as kinds: changes after a check, odd states, names that mean two things."""

from __future__ import annotations

import io
import pickle
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.errors import ScanMalformed, ScanRefused
from model_quantization.loading.pickles.names import todays_name
from model_quantization.loading.pickles.original import load_original
from model_quantization.loading.pickles.unpickle import unpickle_scanned
from model_quantization.trust import TrustPolicy, parse_allowed_names
from tests.attacks.pickles import (
    NDARRAY,
    array_of,
    call,
    dtype,
    integer,
    name,
    plain_dtype,
    program,
    text,
    wrapper,
)
from tests.loading.test_scan import scan_bytes
from tests.loading.test_trust import DATA

SPLIT = "sklearn.model_selection._split"
KFOLD = name(SPLIT, "KFold") + pickle.EMPTY_TUPLE + pickle.NEWOBJ


def get(index: int) -> bytes:
    return pickle.BINGET + bytes([index])


def put(index: int) -> bytes:
    return pickle.BINPUT + bytes([index])


# What a rule has checked stays as it was (s1).


def void(fields: bytes, size: int = 8, names: bytes = text("a") + pickle.TUPLE1) -> bytes:
    state = (integer(3), text("|"), pickle.NONE, names, fields, integer(size), integer(1))
    return dtype(f"V{size}", *state, integer(16))


def entry(code: str, offset: int) -> bytes:
    return pickle.MARK + plain_dtype(code) + integer(offset) + pickle.TUPLE


FIELDS = pickle.EMPTY_DICT + put(0) + text("a") + entry("f8", 0) + pickle.SETITEM
CHANGES = {
    "SETITEM": text("a") + pickle.NONE + pickle.SETITEM,
    "SETITEMS": pickle.MARK + text("a") + pickle.NONE + pickle.SETITEMS,
    "SETITEMS of nothing": pickle.MARK + pickle.SETITEMS,
}
GROWTHS = {
    "APPEND": pickle.NONE + pickle.APPEND,
    "APPENDS": pickle.MARK + pickle.NONE + pickle.APPENDS,
}
LOG1P = name("numpy", "log1p")
HOLDERS = {
    "fields of a dtype": (FIELDS + pickle.POP + void(get(0)), CHANGES),
    "unit of a dtype": (
        pickle.EMPTY_LIST + put(0) + pickle.POP
        + dtype("M8", integer(4), text("<"), pickle.NONE * 3, integer(-1), integer(-1), integer(0),
                get(0) + pickle.MARK + text("us") + integer(1) * 3 + pickle.TUPLE + pickle.TUPLE2),
        GROWTHS,
    ),
    "items of an array": (
        pickle.EMPTY_LIST + put(0) + pickle.NONE + pickle.APPEND + pickle.POP
        + array_of(integer(1) + pickle.TUPLE1, plain_dtype("O8", 63), get(0)),
        GROWTHS,
    ),
    "arguments of a partial": (
        pickle.EMPTY_DICT + put(0) + pickle.POP + call(name("functools", "partial"), LOG1P)
        + pickle.MARK + LOG1P + pickle.EMPTY_TUPLE + get(0) + pickle.NONE + pickle.TUPLE
        + pickle.BUILD,
        CHANGES,
    ),
    "attributes in two parts": (
        pickle.EMPTY_DICT + put(0) + pickle.POP + KFOLD + pickle.NONE + get(0) + pickle.TUPLE2
        + pickle.BUILD,
        CHANGES,
    ),
}  # fmt: skip


@pytest.mark.bad_input(58)
@pytest.mark.parametrize(
    ("holder", "change"), [(h, c) for h, (_, changes) in HOLDERS.items() for c in changes]
)
def test_what_was_checked_cannot_be_changed(holder: str, change: str, tmp_path: Path) -> None:
    checked, changes = HOLDERS[holder]
    assert scan_bytes(program(checked), tmp_path).names
    hostile = program(checked, get(0), changes[change], pickle.TUPLE2)
    with pytest.raises(ScanRefused, match="changes something after it was checked"):
        scan_bytes(hostile, tmp_path)


def test_what_no_rule_looked_into_may_grow(tmp_path: Path) -> None:
    # A list that holds itself is what picklers write in this way.
    cycle: list[Any] = [1]
    cycle.append({"inner": cycle})
    assert scan_bytes(pickle.dumps([cycle, cycle]), tmp_path).format == "pickle"


@pytest.mark.parametrize(
    ("code", "offset", "size", "fits"),
    [("f8", 0, 8, True), ("f8", 1, 8, False), ("u1", 7, 8, True), ("u1", 8, 8, False),
     ("u2", 6, 8, True), ("u2", 7, 8, False), ("u1", -1, 8, False), ("f8", 1, 9, True)],
)  # fmt: skip
def test_a_field_lies_within_its_item_to_the_last_byte(
    code: str, offset: int, size: int, fits: bool, tmp_path: Path
) -> None:
    fields = pickle.EMPTY_DICT + text("a") + entry(code, offset) + pickle.SETITEM
    raw = program(void(fields, size))
    if fits:
        scan_bytes(raw, tmp_path)
        return
    with pytest.raises(ScanRefused, match="lies outside its item"):
        scan_bytes(raw, tmp_path)


def masked(kind: bytes, data: bytes, mask: bytes) -> bytes:
    maker = name("numpy.ma.core", "_mareconstruct")
    cls = name("numpy.ma", "MaskedArray")
    empty = call(maker, cls, NDARRAY, integer(0) + pickle.TUPLE1, text("b"))
    state = integer(1) + integer(1) + pickle.TUPLE1 + kind + pickle.NEWFALSE + data + mask
    return empty + pickle.MARK + state + pickle.NONE + pickle.TUPLE + pickle.BUILD


def test_a_masked_array_has_a_byte_of_mask_for_each_number(tmp_path: Path) -> None:
    eight, one = pickle.SHORT_BINBYTES + b"\x08" + b"A" * 8, pickle.SHORT_BINBYTES + b"\x01\x01"
    assert scan_bytes(program(masked(plain_dtype("f8"), eight, one)), tmp_path).names
    # The mask of a record has a byte for each field: of another length than is checked here.
    for kind, mask in ((void(FIELDS), one), (plain_dtype("f8"), eight)):
        with pytest.raises(ScanRefused, match="mask is not as long"):
            scan_bytes(program(masked(kind, eight, mask)), tmp_path)


# What was there is said, so that its writer can find it.

EIGHT = pickle.SHORT_BINBYTES + b"\x08" + b"A" * 8
SCALAR = name("numpy._core.multiarray", "scalar")
BUFFER = name("numpy._core.numeric", "_frombuffer")
LENGTH = integer(1) + pickle.TUPLE1


def number_dtype(code: str, *rest: bytes, size: int = -1, alignment: int = -1) -> bytes:
    start = (integer(3), text("<"), pickle.NONE * 3)
    return dtype(code, *start, integer(size), integer(alignment), integer(0), *rest)


def unit(*parts: bytes) -> bytes:
    return pickle.NONE + pickle.MARK + b"".join(parts) + pickle.TUPLE + pickle.TUPLE2


SAID = {
    "a dtype of another size": (
        number_dtype("f8", size=16),
        "dtype f8 has another item size",
        "16",
    ),
    "a dtype of another place": (
        number_dtype("f8", alignment=8),
        "dtype f8 has another item",
        "-1",
    ),
    "a text dtype of another size": (
        number_dtype("S8", size=4, alignment=1),
        "dtype S8 has another item size",
        "4",
    ),
    "a text dtype without a place": (
        number_dtype("S8", size=8),
        "dtype S8 has no usable alignment",
        "-1",
    ),
    "metadata of a number": (
        number_dtype("f8", unit(text("us"), integer(1) * 3)),
        "dtype f8 has metadata",
        "(None, a tuple)",
    ),
    "metadata that is no pair": (
        number_dtype("M8", pickle.EMPTY_TUPLE),
        "dtype M8 has metadata",
        "()",
    ),
    "a unit of three": (
        number_dtype("M8", unit(text("us"), integer(1) * 2)),
        "the unit of dtype M8",
        "",
    ),
    "a unit that is no text": (
        number_dtype("M8", unit(integer(1) * 4)),
        "the unit of dtype M8",
        "",
    ),
    "a step that is no number": (
        number_dtype("M8", unit(text("us"), integer(1) * 2, text("1"))),
        "the unit of dtype M8",
        "",
    ),
    "a shape of text": (array_of(text("a"), plain_dtype("f8"), EIGHT), "an array's shape", "'a'"),
    "a shape below zero": (
        array_of(integer(-1) + pickle.TUPLE1, plain_dtype("f8"), EIGHT),
        "an array's shape",
        "(-1)",
    ),
    "a shape of truths": (
        array_of(pickle.NEWTRUE + pickle.TUPLE1, plain_dtype("f8"), EIGHT),
        "an array's shape",
        "(True)",
    ),
    "data that is too short": (
        array_of(integer(2) + pickle.TUPLE1, plain_dtype("f8"), EIGHT),
        "an array's data is not as long",
        "8 bytes",
    ),
    "a buffer that is too short": (
        call(BUFFER, EIGHT, plain_dtype("f8"), integer(2) + pickle.TUPLE1, text("C")),
        "an array's data is not as long",
        "8 bytes",
    ),
    "a buffer of objects": (
        call(BUFFER, EIGHT, plain_dtype("O8", 63), LENGTH, text("C")),
        "an array of objects",
        "",
    ),
    "a scalar that is too long": (
        call(SCALAR, plain_dtype("f4"), EIGHT),
        "a numpy scalar of dtype f4",
        "b'AAAAAAAA'",
    ),
    "a scalar with a state": (
        call(SCALAR, plain_dtype("f8"), EIGHT) + pickle.EMPTY_DICT + pickle.BUILD,
        "sets the state of an object a second time",
        "an instance of numpy:generic",
    ),
    "a buffer with a state": (
        call(BUFFER, EIGHT, plain_dtype("f8"), LENGTH, text("C"))
        + pickle.EMPTY_DICT
        + pickle.BUILD,
        "sets the state of an object a second time",
        "an instance of numpy:ndarray",
    ),
    "a number in another spelling": (
        pickle.INT + b"+1\n",
        "a number is not written as picklers do",
        "b'+1'",
    ),
    "a name that is no text": (
        pickle.GLOBAL + b"\xff\n\xfe\n",
        "\ufffd:\ufffd is not on the allow-list",
        "",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_a_refusal_says_what_was_there(case: str, tmp_path: Path) -> None:
    raw, what, got = SAID[case]
    with pytest.raises(ScanRefused) as caught:
        scan_bytes(program(raw), tmp_path)
    assert what in str(caught.value)
    if got:
        assert f"got {got}" in str(caught.value)
    assert caught.value.do


def test_what_a_container_calls_is_a_class_that_models_hold(tmp_path: Path) -> None:
    made = name("collections", "defaultdict")
    scan_bytes(program(call(made, name("builtins", "list"))), tmp_path)
    with pytest.raises(ScanRefused, match="calls collections:defaultdict with arguments"):
        scan_bytes(program(call(made, name("numpy._core.multiarray", "_reconstruct"))), tmp_path)


def old_svc(**attributes: bytes) -> bytes:
    """A support vector machine of 0.22 with these attributes."""
    pairs = b"".join(text(key) + value for key, value in attributes.items())
    state = pickle.EMPTY_DICT + pickle.MARK + pairs + text("_sklearn_version") + text("0.22.2")
    made = name("sklearn.svm._classes", "SVC") + pickle.EMPTY_TUPLE + pickle.NEWOBJ
    return program(made + state + pickle.SETITEMS + pickle.BUILD)


@pytest.mark.parametrize(
    ("error", "shape"),
    [
        ("IndexError", pickle.EMPTY_TUPLE),
        ("TypeError", pickle.NONE),
        ("KeyError", pickle.EMPTY_DICT),
        ("ValueError", pickle.NONE + text("x") + pickle.TUPLE2),
    ],
)
def test_a_state_that_no_version_wrote_is_named(error: str, shape: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(old_svc(shape_fit_=shape))
    with pytest.raises(ScanMalformed) as caught:
        load_original(path)
    assert "the model's state does not fit the installed classes" in str(caught.value)
    assert "(saved by scikit-learn 0.22.2)" in str(caught.value)
    assert f"got {error}: " in str(caught.value)
    assert caught.value.where == str(path)


# A state of two parts sets attributes one by one (s2).


def built(target: bytes, attributes: bytes, slots: bytes) -> bytes:
    return program(target + attributes + slots + pickle.TUPLE2 + pickle.BUILD)


def filled(container: bytes, key: str, value: bytes) -> bytes:
    return container + pickle.MARK + text(key) + value + pickle.SETITEMS


ODD = {
    "OrderedDict": call(name("collections", "OrderedDict")),
    "Counter": call(name("collections", "Counter")),
    "defaultdict": call(name("collections", "defaultdict")),
    "Bunch": name("sklearn.utils._bunch", "Bunch") + pickle.EMPTY_TUPLE + pickle.NEWOBJ,
}


@pytest.mark.bad_input(59)
@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("part", [0, 1])
def test_both_parts_of_a_state_are_plain_dicts(kind: str, part: int, tmp_path: Path) -> None:
    held = filled(ODD[kind], "__class__", name(SPLIT, "GroupKFold"))
    parts = [pickle.NONE, pickle.NONE]
    parts[part] = held
    with pytest.raises(ScanRefused, match="has one that is no dict"):
        scan_bytes(built(KFOLD, *parts), tmp_path)


@pytest.mark.bad_input(59)
@pytest.mark.parametrize(
    "attribute",
    ["__class__", "__dict__", "__init__", "__reduce__", "__setstate__", "__doc__", "__"],
)
def test_no_special_attribute_is_set(attribute: str, tmp_path: Path) -> None:
    slots = filled(pickle.EMPTY_DICT, attribute, pickle.NONE)
    with pytest.raises(ScanRefused, match="sets a special attribute"):
        scan_bytes(built(KFOLD, pickle.NONE, slots), tmp_path)
    assert scan_bytes(built(KFOLD, pickle.NONE, filled(pickle.EMPTY_DICT, "n_splits", integer(3))),
                      tmp_path).names  # fmt: skip


@pytest.mark.bad_input(59)
def test_a_state_that_is_an_object_is_a_kind_of_dict(tmp_path: Path) -> None:
    with pytest.raises(ScanRefused, match="a state is an object of its own"):
        scan_bytes(program(KFOLD + KFOLD + pickle.BUILD), tmp_path)
    # Attributes set through a dict run nothing, whatever kind of dict it is.
    held = filled(ODD["OrderedDict"], "n_splits", integer(3))
    assert scan_bytes(program(KFOLD + held + pickle.BUILD), tmp_path).names


# The memo, whose gaps an unpickler fills with memory.


@pytest.mark.parametrize(("first", "second", "passes"), [
    (0, 1, True), (0, 2, True), (1, 2, True), (1, 3, False), (2, 3, False), (0, 3, False),
])  # fmt: skip
def test_the_memo_has_no_gap(first: int, second: int, passes: bool, tmp_path: Path) -> None:
    raw = program(pickle.NONE, put(first), put(second))
    if passes:
        scan_bytes(raw, tmp_path)
        return
    with pytest.raises(ScanRefused, match="stores memo entry"):
        scan_bytes(raw, tmp_path)


@pytest.mark.parametrize(
    ("raw", "passes"),
    [
        (pickle.PROTO + bytes([pickle.HIGHEST_PROTOCOL]) + pickle.NONE + pickle.STOP, True),
        (pickle.PROTO + bytes([pickle.HIGHEST_PROTOCOL + 1]) + pickle.NONE + pickle.STOP, False),
        (pickle.PROTO + b"\xff" + pickle.NONE + pickle.STOP, False),
        (pickle.PROTO + b"\x02" + pickle.PROTO + b"\x02" + pickle.NONE + pickle.STOP, False),
        (pickle.NONE + pickle.PROTO + b"\x02" + pickle.STOP, False),
    ],
    ids=["highest", "one above", "255", "twice", "behind the object"],
)
def test_a_protocol_stands_at_the_beginning_and_is_known(
    raw: bytes, passes: bool, tmp_path: Path
) -> None:
    if passes:
        assert scan_bytes(raw, tmp_path).protocol == pickle.HIGHEST_PROTOCOL
    else:
        with pytest.raises(ScanRefused, match="names a protocol where none may stand"):
            scan_bytes(raw, tmp_path)


# One meaning for a name, in the scan and in the load, whatever protocols a file has (s3).

PYTHON_2 = {
    ("__builtin__", "list"): "builtins:list",
    ("__builtin__", "set"): "builtins:set",
    ("copy_reg", "_reconstructor"): "copyreg:_reconstructor",
    ("builtins", "list"): "builtins:list",
}


def asked_by_loading(raw: bytes, root: Path) -> list[str]:
    """The names that the loader asks for, in order."""
    asked: list[str] = []
    active = [True]

    def hear(event: str, args: tuple[Any, ...]) -> None:
        if active and event == "pickle.find_class":
            asked.append(":".join(args))

    sys.addaudithook(hear)
    path = root / "asked.pkl"
    path.write_bytes(raw)
    try:
        load_original(path)
    except ScanMalformed:
        pass  # the inner pickle of an array gives something else
    finally:
        active.clear()
    return asked


@pytest.mark.bad_input(60)
@pytest.mark.parametrize("inner", range(6))
@pytest.mark.parametrize("outer", range(2, 6))
@pytest.mark.parametrize("spelt", PYTHON_2)
def test_the_scan_and_the_loader_read_one_name(
    spelt: tuple[str, str], outer: int, inner: int, tmp_path: Path
) -> None:
    said = b"\n".join(part.encode() for part in spelt)
    head = pickle.PROTO + bytes([inner]) if inner >= 2 else b""
    body = head + pickle.GLOBAL + said + b"\n" + pickle.STOP
    raw = program(wrapper(integer(1) + pickle.TUPLE1, plain_dtype("O8", 63)) + body, protocol=outer)
    if PYTHON_2[spelt] == "copyreg:_reconstructor":
        with pytest.raises(ScanRefused, match="which a pickle may call in its own way only"):
            scan_bytes(raw, tmp_path)
        return
    found = scan_bytes(raw, tmp_path)
    assert PYTHON_2[spelt] in found.names
    asked = asked_by_loading(raw, tmp_path)
    assert set(asked) <= found.names and PYTHON_2[spelt] in asked


def test_names_of_today_are_left_alone() -> None:
    for names in parse_allowed_names(DATA).values():
        for full in names:
            assert ":".join(todays_name(*full.split(":"))) == full


def test_nothing_is_imported_that_the_scan_did_not_see(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(np.arange(3)))
    names = scan_bytes(path.read_bytes(), tmp_path).names
    unpickle_scanned(path, "pickle", "m.pkl", names)
    for kind in ("pickle", "joblib"):
        with pytest.raises(ScanRefused, match="numpy:ndarray is asked for, and the scan did not"):
            unpickle_scanned(path, kind, "m.pkl", names - {"numpy:ndarray"})


# All names at once.


def naming(names: list[str], *, called: bool) -> bytes:
    parts = [name(*full.split(":")) for full in names]
    if called:  # made, given a state, items and members, and called again
        parts = [
            part + pickle.EMPTY_TUPLE + pickle.REDUCE + pickle.EMPTY_DICT + pickle.BUILD
            + pickle.MARK + text("k") + pickle.NONE + pickle.SETITEMS
            + pickle.EMPTY_TUPLE + pickle.REDUCE
            for part in parts
        ]  # fmt: skip
    return program(pickle.MARK + b"".join(parts) + pickle.TUPLE)


_PARTS = st.from_regex(r"[a-z]{1,6}", fullmatch=True)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    names=st.lists(st.tuples(_PARTS, _PARTS), min_size=1, max_size=12, unique=True),
    called=st.booleans(),
)
def test_a_refusal_has_every_name(
    tmp_path_factory: pytest.TempPathFactory, names: list[tuple[str, str]], called: bool
) -> None:
    full = [f"own_{module}:{qualname}" for module, qualname in names]
    with pytest.raises(ScanRefused) as caught:
        scan_bytes(naming(full, called=called), tmp_path_factory.mktemp("names"))
    assert all(each in caught.value.what for each in full)
    assert all(each in caught.value.do for each in full)
    trusted = TrustPolicy(frozenset(full))
    if not called:
        assert scan_bytes(naming(full, called=False), tmp_path_factory.mktemp("n"), trust=trusted)


def test_names_are_named_whatever_else_is_wrong(tmp_path: Path) -> None:
    for rest in (b"", pickle.GLOBAL, b"\xff", pickle.TUPLE3, pickle.STOP):
        raw = program(name("own", "A"), name("own", "B"))[:-1] + rest
        with pytest.raises(ScanRefused, match="2 names are not on the allow-list: own:A, own:B"):
            scan_bytes(raw, tmp_path)


def test_a_thousand_names_are_counted_and_some_shown(tmp_path: Path) -> None:
    full = [f"own:f{number}" for number in range(1000)]
    with pytest.raises(ScanRefused, match=r"1,000 names.*and 960 more") as caught:
        scan_bytes(naming(full, called=False), tmp_path)
    assert len(str(caught.value)) < 4000


@pytest.mark.parametrize("module", ["__main__", "cloudpickle.cloudpickle"])
def test_what_cannot_be_imported_has_one_remedy(module: str, tmp_path: Path) -> None:
    raw = naming([f"{module}:Twice", "own:thing"], called=False)
    with pytest.raises(ScanRefused) as caught:
        scan_bytes(raw, tmp_path)
    assert "into a module, import it from there" in caught.value.do
    assert "save the model again" in caught.value.do
    assert "trusted" not in caught.value.do


def test_a_file_of_cloudpickle_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ScanRefused, match=r"saved by cloudpickle.*put the function or class into"):
        scan_bytes(cloudpickle.dumps(lambda rows: rows + 1), tmp_path)


def test_a_trusted_class_of_a_script_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(
        program(name("__main__", "NoSuchClassHere"), pickle.EMPTY_TUPLE, pickle.NEWOBJ)
    )
    trust = TrustPolicy(frozenset({"__main__:NoSuchClassHere"}))
    with pytest.raises(ScanMalformed, match=r"defined in a notebook or script.*into a module"):
        load_original(path, trust=trust)


# Methods by name, and nothing else through getattr.


def attribute(owner: bytes, named: bytes) -> bytes:
    return call(name("builtins", "getattr"), owner, named)


def test_listed_methods_of_text_pass_by_name(tmp_path: Path) -> None:
    methods = [each for each in parse_allowed_names(DATA)["values"] if "builtins:str." in each]
    assert len(methods) > 10
    for each in methods:
        method = getattr(str, each.rpartition(".")[2])
        for protocol in range(6):
            path = tmp_path / "m.pkl"
            path.write_bytes(pickle.dumps([method], protocol))
            assert load_original(path)[0] == [method]


@pytest.mark.bad_input(61)
@pytest.mark.parametrize(
    "raw",
    [
        program(attribute(name("builtins", "str"), text("format"))),
        program(attribute(name("builtins", "str"), text("__class__"))),
        program(attribute(name("builtins", "dict"), text("get"))),
        program(attribute(name("builtins", "object"), text("__subclasses__"))),
        program(attribute(name("numpy", "log1p"), text("split"))),
        program(attribute(KFOLD, text("split"))),
        program(attribute(text("abc"), text("split"))),
        program(call(name("builtins", "getattr"), name("builtins", "str"), text("split"),
                     pickle.NONE)),
        program(attribute(name("builtins", "str"), KFOLD)),
    ],
)  # fmt: skip
def test_getattr_gives_nothing_else(raw: bytes, tmp_path: Path) -> None:
    with pytest.raises(ScanRefused, match="takes an attribute by its name"):
        scan_bytes(raw, tmp_path)


def held_places() -> Iterator[tuple[str, Any]]:
    getter = name("builtins", "getattr")
    yield "alone", getter
    yield "in a tuple", getter + pickle.TUPLE1
    yield "in a list", pickle.EMPTY_LIST + getter + pickle.APPEND
    yield "in a dict", pickle.EMPTY_DICT + text("a") + getter + pickle.SETITEM
    yield "as a key", pickle.EMPTY_DICT + getter + pickle.NONE + pickle.SETITEM
    yield "in a set", pickle.EMPTY_SET + pickle.MARK + getter + pickle.ADDITEMS
    yield "in a state", KFOLD + filled(pickle.EMPTY_DICT, "func", getter) + pickle.BUILD
    yield "in a joblib array", wrapper(integer(1) + pickle.TUPLE1, plain_dtype("O8", 63)) + program(
        array_of(integer(1) + pickle.TUPLE1, plain_dtype("O8", 63),
                 pickle.EMPTY_LIST + getter + pickle.APPEND))  # fmt: skip


@pytest.mark.bad_input(61)
@pytest.mark.parametrize(("place", "raw"), list(held_places()))
def test_no_model_holds_what_only_a_pickle_may_call(place: str, raw: bytes, tmp_path: Path) -> None:
    with pytest.raises(ScanRefused, match="the model holds builtins:getattr"):
        scan_bytes(program(raw), tmp_path)


# A vectorizer that opens files (s4).


@pytest.mark.bad_input(62)
@pytest.mark.parametrize("kind", ["CountVectorizer", "TfidfVectorizer", "HashingVectorizer"])
@pytest.mark.parametrize("source", ["filename", "file", "content ", None, np.str_("filename")])
def test_a_vectorizer_reads_content_only(kind: str, source: Any, tmp_path: Path) -> None:
    import sklearn.feature_extraction.text as sk

    model = getattr(sk, kind)()
    for dump in (pickle.dumps, dumped):
        assert scan_bytes(dump({"a": [model]}), tmp_path).names
    model.input = source
    for dump in (pickle.dumps, dumped):
        with pytest.raises(ScanRefused, match="takes documents for the names of files"):
            scan_bytes(dump({"a": [model]}), tmp_path)


@pytest.mark.bad_input(62)
def test_no_other_state_of_a_vectorizer_hides_it(tmp_path: Path) -> None:
    made = name("sklearn.feature_extraction.text", "CountVectorizer") + pickle.EMPTY_TUPLE
    made += pickle.NEWOBJ
    source = text("filename")
    twice = filled(filled(pickle.EMPTY_DICT, "input", source), "input", text("content"))
    scalar = call(name("numpy._core.multiarray", "scalar"),
                  dtype("U5", integer(3), text("<"), pickle.NONE * 3, integer(20), integer(4),
                        integer(0)),
                  pickle.SHORT_BINBYTES + b"\x14" + "input".encode("utf-32-le"))  # fmt: skip
    states = [
        twice,
        filled(ODD["OrderedDict"], "input", source),
        pickle.NONE + filled(pickle.EMPTY_DICT, "input", source) + pickle.TUPLE2,
        filled(pickle.EMPTY_DICT, "input", source) + pickle.NONE + pickle.TUPLE2,
        pickle.EMPTY_DICT + pickle.MARK + scalar + source + pickle.SETITEMS,
    ]
    for state in states:
        with pytest.raises(ScanRefused):
            scan_bytes(program(made + state + pickle.BUILD), tmp_path)


def dumped(model: Any) -> bytes:
    stream = io.BytesIO()
    joblib.dump(model, stream)
    return stream.getvalue()


def test_the_bytes_of_these_tests_are_what_picklers_write() -> None:
    assert pickle.loads(program(void(FIELDS))).fields["a"][1] == 0
    assert struct.unpack("<i", integer(-1)[1:])[0] == -1
    assert isinstance(pickle.loads(program(masked(plain_dtype("f8"),
        pickle.SHORT_BINBYTES + b"\x08" + b"A" * 8, pickle.SHORT_BINBYTES + b"\x01\x01"))),
        np.ma.MaskedArray)  # fmt: skip


# What is read as data takes no state that the scan does not know of.


@pytest.mark.bad_input(59)
@pytest.mark.parametrize("made", [
    call(name("pandas.core.indexes.base", "_new_Index"), name("pandas", "RangeIndex"),
         filled(filled(filled(pickle.EMPTY_DICT, "start", integer(0)), "stop", integer(3)),
                "step", integer(1))),
    call(name("pandas", "StringDtype")),
    name("pandas", "Int64Dtype") + pickle.EMPTY_TUPLE + pickle.NEWOBJ,
])  # fmt: skip
@pytest.mark.parametrize("state", [
    pickle.NONE + filled(pickle.EMPTY_DICT, "__class__", name(SPLIT, "KFold")) + pickle.TUPLE2,
    filled(pickle.EMPTY_DICT, "numpy_dtype", pickle.NONE),
    filled(filled(pickle.EMPTY_DICT, "_cache", pickle.NONE), "_cache", pickle.NONE),
])  # fmt: skip
def test_a_complete_object_takes_no_state(made: bytes, state: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(program(made))
    load_original(tmp_path / "m.pkl")
    with pytest.raises(ScanRefused, match="complete when it was made"):
        scan_bytes(program(made, state, pickle.BUILD), tmp_path)


def test_everything_else_that_is_read_as_data_keeps_its_state_to_itself() -> None:
    from model_quantization.loading.pickles.read_as_data import keeps_state_as_data, reader_of
    from model_quantization.loading.pickles.states import COMPLETE

    found = 0
    for full in parse_allowed_names(DATA)["read as data"]:
        try:
            reader = reader_of(full)
        except (ImportError, AttributeError):
            continue  # of another version of scipy
        if full.rpartition(":")[2] in COMPLETE or not keeps_state_as_data(full):
            continue
        assert isinstance(reader, type), full
        own = next(each for each in reader.__mro__ if "__setstate__" in vars(each))
        assert "read_as_data" in vars(own)["__setstate__"].__module__, full
        found += 1
    assert found > 30
