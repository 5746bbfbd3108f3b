"""Hostile pickles, written opcode by opcode: nothing in here is ever loaded.

`HOSTILE_PICKLES` maps a name to bytes that a scanner must refuse; each payload would, if it ran,
create the file `MARKER` or call something that could.
"""

from __future__ import annotations

import io
import lzma
import pickle
import struct
import zlib
from typing import Any

import joblib
import numpy as np

MARKER = "/tmp/model-quantization-attack-ran"
COMMAND = f"touch {MARKER}"


def text(value: str) -> bytes:
    raw = value.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(raw)) + raw


def name(module: str, qualname: str) -> bytes:
    return text(module) + text(qualname) + pickle.STACK_GLOBAL


def program(*parts: bytes, protocol: int = 4) -> bytes:
    return pickle.PROTO + bytes([protocol]) + b"".join(parts) + pickle.STOP


def call(function: bytes, *args: bytes) -> bytes:
    return function + pickle.MARK + b"".join(args) + pickle.TUPLE + pickle.REDUCE


SYSTEM = call(name("os", "system"), text(COMMAND))
NDARRAY = name("numpy", "ndarray")
DTYPE = name("numpy", "dtype")


class _Reduced:
    def __init__(self, function: Any, *args: Any) -> None:
        self._reduced = (function, args)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._reduced


class _Payload:
    """Pickles as a call of `os.system`."""

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, (COMMAND,)


def dtype(code: str, *state: bytes, copy: bytes = pickle.NEWTRUE) -> bytes:
    made = call(DTYPE, text(code), pickle.NEWFALSE, copy)
    return made + pickle.MARK + b"".join(state) + pickle.TUPLE + pickle.BUILD


def integer(value: int) -> bytes:
    return pickle.BININT + struct.pack("<i", value)


def plain_dtype(code: str, flags: int = 0) -> bytes:
    none, minus = pickle.NONE * 3, integer(-1)
    return dtype(code, integer(3), text("<"), none, minus, minus, integer(flags))


def array_of(shape: bytes, kind: bytes, data: bytes) -> bytes:
    maker = name("numpy._core.multiarray", "_reconstruct")
    empty = call(maker, NDARRAY, integer(0) + pickle.TUPLE1, pickle.SHORT_BINBYTES + b"\x01b")
    state = integer(1) + shape + kind + pickle.NEWFALSE + data
    return empty + pickle.MARK + state + pickle.TUPLE + pickle.BUILD


def wrapper(shape: bytes, kind: bytes, order: str = "C") -> bytes:
    made = name("joblib.numpy_pickle", "NumpyArrayWrapper") + pickle.EMPTY_TUPLE + pickle.NEWOBJ
    state = [text("subclass"), NDARRAY, text("shape"), shape, text("order"), text(order),
             text("dtype"), kind, text("allow_mmap"), pickle.NEWFALSE,
             text("numpy_array_alignment_bytes"), integer(16)]  # fmt: skip
    pairs = pickle.EMPTY_DICT + pickle.MARK + b"".join(state) + pickle.SETITEMS
    return made + pairs + pickle.BUILD


def _joblib(value: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    joblib.dump(value, stream, **options)
    return stream.getvalue()


def _after_first_array() -> bytes:
    good = _joblib([np.arange(4.0), "tail"], protocol=3)
    return good.replace(text("tail"), SYSTEM)


def _compressed(compress: Any, payload: bytes) -> bytes:
    return compress(program(payload))


def _nested_tuples(depth: int) -> bytes:
    return pickle.EMPTY_TUPLE + pickle.TUPLE1 * depth


def _laughs(levels: int) -> bytes:
    made = pickle.EMPTY_LIST + pickle.MEMOIZE
    for level in range(levels):
        twice = (pickle.BINGET + bytes([level])) * 2
        made += pickle.POP + pickle.EMPTY_LIST + pickle.MEMOIZE
        made += pickle.MARK + twice + pickle.APPENDS
    return made


def _late_laughs(levels: int) -> bytes:
    # All lists are made first and filled from the outside in, so that no size is known on the way.
    made = (pickle.EMPTY_LIST + pickle.MEMOIZE) * (levels + 1)
    filled = b"".join(
        pickle.BINGET + bytes([level]) + pickle.MARK
        + (pickle.BINGET + bytes([level + 1])) * 2 + pickle.APPENDS + pickle.POP
        for level in range(levels)
    )  # fmt: skip
    return pickle.MARK + made + filled + pickle.TUPLE


def _hidden_in_frame() -> bytes:
    # A flat reader takes the opcodes after BUILD for array bytes; joblib runs them and takes the
    # bytes behind the frame instead.
    body = wrapper(integer(1) + pickle.TUPLE1, plain_dtype("f8")) + pickle.POP + SYSTEM
    frame = pickle.FRAME + struct.pack("<Q", len(body)) + body
    return program(frame, b"\x01\xff" + b"\0" * 8)


def _bz2_polyglot() -> bytes:
    import bz2

    return zlib.compress(bz2.compress(program(SYSTEM)))


_EMPTY = pickle.EMPTY_TUPLE
_OBJECT = plain_dtype("O8", 63)
_EIGHT = pickle.SHORT_BINBYTES + b"\x08" + b"A" * 8
_ONE = integer(1) + pickle.TUPLE1
_VOID = [integer(3), text("|"), pickle.NONE]
_LR = name("sklearn.linear_model._logistic", "LogisticRegression")
_OBJECT_FIELD = (
    text("a") + pickle.TUPLE1,
    pickle.EMPTY_DICT + text("a") + _OBJECT + integer(0) + pickle.TUPLE2 + pickle.SETITEM,
)
_FAR_FIELD = (
    text("a") + pickle.TUPLE1,
    pickle.EMPTY_DICT + text("a") + plain_dtype("f8") + integer(4096) + pickle.TUPLE2
    + pickle.SETITEM,
)  # fmt: skip

HOSTILE_PICKLES: dict[str, bytes] = {
    "01 os.system": program(SYSTEM),
    "01 posix.system by pickle itself": pickle.dumps(_Payload()),
    "02 after the first joblib array": _after_first_array(),
    "03 zlib": _compressed(zlib.compress, SYSTEM),
    "04 lzma": _compressed(lambda raw: lzma.compress(raw, lzma.FORMAT_ALONE), SYSTEM),
    "04 xz": _compressed(lzma.compress, SYSTEM),
    "05 in an object array": pickle.dumps(np.array([_Payload()], object)),
    "05 in an object array of joblib": _joblib([np.array([_Payload(), 1], object)]),
    "06 builtins through dict.get": program(
        call(name("builtins", "dict.get"), name("numpy", "__builtins__"), text("eval"))
    ),
    "07 dotted name": program(call(name("sklearn.datasets._base", "os.system"), text(COMMAND))),
    "07 dotted name, protocol 2": program(
        pickle.GLOBAL + b"sklearn.datasets._base\nos.system\n", _EMPTY, pickle.REDUCE, protocol=2
    ),
    "08 importlib and getattr": program(
        call(
            name("builtins", "getattr"),
            call(name("importlib", "import_module"), text("os")),
            text("system"),
        )
    ),
    "09 joblib.load": program(call(name("joblib.numpy_pickle", "load"), text("x.pkl"))),
    "09 numpy.load": program(call(name("numpy", "load"), text("x.npy"))),
    "10 runstring": program(call(name("numpy.testing._private.utils", "runstring"), text("1"))),
    "11 BUILD on a class": program(_LR, pickle.EMPTY_DICT, pickle.BUILD),
    "11 BUILD on a list": program(pickle.EMPTY_LIST, pickle.EMPTY_DICT, pickle.BUILD),
    "11 second BUILD": program(
        _LR, _EMPTY, pickle.NEWOBJ, pickle.EMPTY_DICT, pickle.BUILD, pickle.EMPTY_DICT, pickle.BUILD
    ),
    "11 slot state sets __class__": program(
        _LR,
        _EMPTY,
        pickle.NEWOBJ,
        pickle.NONE,
        pickle.EMPTY_DICT,
        text("__class__"),
        _LR,
        pickle.SETITEM,
        pickle.TUPLE2,
        pickle.BUILD,
    ),
    "12 INST": b"(S'" + COMMAND.encode() + b"'\nios\nsystem\n.",
    "12 INST of a listed class": b"(isklearn.linear_model._logistic\nLogisticRegression\n.",
    "12 OBJ": program(pickle.MARK, _LR, pickle.OBJ),
    "13 EXT1": program(pickle.EXT1, b"\x01"),
    "13 PERSID": program(pickle.PERSID, b"a\n"),
    "13 BINPERSID": program(text("a"), pickle.BINPERSID),
    "13 out-of-band buffer": program(pickle.NEXT_BUFFER, protocol=5),
    "14 payload then no STOP": program(SYSTEM)[:-1],
    "14 payload then an invalid opcode": program(SYSTEM, b"\xff"),
    "14 invalid opcode": program(pickle.NONE, b"\xff"),
    "14 bytes after the STOP": program(pickle.NONE) + program(SYSTEM),
    "15 short object list": program(
        array_of(integer(1000) + pickle.TUPLE1, _OBJECT, pickle.EMPTY_LIST + pickle.NONE + b"a")
    ),
    "15 object array from bytes": program(array_of(_ONE, _OBJECT, _EIGHT)),
    "15 object dtype with the flags of a number": program(
        array_of(_ONE, plain_dtype("O8", 0), _EIGHT)
    ),
    "15 number dtype with the flags of an object": program(plain_dtype("f8", 63)),
    "15 object field": program(
        dtype("V8", *_VOID, *_OBJECT_FIELD, integer(8), integer(1), integer(16))
    ),
    "15 field outside its item": program(
        dtype("V8", *_VOID, *_FAR_FIELD, integer(8), integer(1), integer(16))
    ),
    "15 larger item than the code": program(
        dtype("V8", *_VOID, pickle.NONE, pickle.NONE, integer(1 << 20), integer(1), integer(0))
    ),
    "15 numpy's own dtype changed": program(
        dtype(
            "f8",
            integer(3),
            text(">"),
            pickle.NONE * 3,
            integer(-1) * 2,
            integer(0),
            copy=pickle.NEWFALSE,
        )
    ),
    "15 short data": program(array_of(integer(1000) + pickle.TUPLE1, plain_dtype("f8"), _EIGHT)),
    "15 scalar of object dtype": program(
        call(name("numpy._core.multiarray", "scalar"), _OBJECT, _EIGHT)
    ),
    "15 dtype without its state": program(
        array_of(_ONE, call(DTYPE, text("f8"), pickle.NEWFALSE, pickle.NEWTRUE), _EIGHT)
    ),
    "15 dtype from a description": program(call(DTYPE, text("f8,O"), pickle.NEWFALSE)),
    "15 short buffer": program(
        call(
            name("numpy._core.numeric", "_frombuffer"),
            _EIGHT,
            plain_dtype("f8"),
            integer(9) + pickle.TUPLE1,
            text("C"),
        )
    ),
    "16 FunctionTransformer": program(
        name("sklearn.preprocessing._function_transformer", "FunctionTransformer"),
        _EMPTY,
        pickle.NEWOBJ,
        pickle.EMPTY_DICT,
        text("func"),
        name("os", "system"),
        pickle.SETITEM,
        pickle.BUILD,
    ),
    "18 LONG_BINPUT": program(pickle.NONE, pickle.LONG_BINPUT + struct.pack("<I", (1 << 31) - 1)),
    "18 PUT in text": program(pickle.NONE, pickle.PUT + b"2147483647\n"),
    "19 nested lists": program(pickle.EMPTY_LIST * 200_000, pickle.APPEND * 199_999),
    "19 nested tuples": program(_nested_tuples(200_000)),
    "19 nested marks": program(pickle.MARK * 200_000, pickle.TUPLE * 200_000),
    "19 billion laughs": program(_laughs(40)),
    "19 billion laughs, filled from outside": program(_late_laughs(40)),
    "19 billion laughs as a dtype": program(call(DTYPE, _laughs(40), pickle.NEWFALSE)),
    "19 billion laughs as arguments": program(
        call(name("numpy.random._pickle", "__bit_generator_ctor"), _laughs(40), pickle.NONE)
    ),
    "19 billion laughs as a shape": program(
        array_of(_laughs(40) + pickle.TUPLE1, plain_dtype("f8"), _EIGHT)
    ),
    "19 billion laughs as the names of fields": program(
        dtype(
            "V8",
            *_VOID,
            _laughs(40) + pickle.TUPLE1,
            pickle.EMPTY_DICT,
            integer(8),
            integer(1),
            integer(0),
        )
    ),
    "19 billion laughs as the flags of a dtype": program(
        dtype("f8", integer(3), text("<"), pickle.NONE * 3, integer(-1) * 2, _laughs(40))
    ),
    "20 shape that has no decimal form": program(
        array_of(
            (pickle.LONG1 + b"\xff" + b"\x7f" * 255) * 3 + pickle.TUPLE3, plain_dtype("f8"), _EIGHT
        )
    ),
    "15 dtype of another machine": program(plain_dtype("f12")),
    "19 deep dict key": program(
        pickle.EMPTY_DICT, _nested_tuples(200_000), pickle.NONE, pickle.SETITEM
    ),
    "20 joblib array of 2^40 items": program(
        wrapper(
            pickle.LONG1 + b"\x06" + (1 << 40).to_bytes(6, "little") + pickle.TUPLE1,
            plain_dtype("f8"),
        ),
        b"\x01\xff" + b"\0" * 64,
    ),
    "20 negative shape": program(wrapper(integer(-1) + pickle.TUPLE1, plain_dtype("f8"))),
    "20 bool shape": program(wrapper(pickle.NEWTRUE + pickle.TUPLE1, plain_dtype("f8"))),
    "frames: opcodes hidden behind a joblib array": _hidden_in_frame(),
    "frames: one in another": program(
        pickle.FRAME + struct.pack("<Q", 10), pickle.FRAME + struct.pack("<Q", 1), pickle.NONE
    ),
    "frames: crossed by an opcode": program(pickle.FRAME + struct.pack("<Q", 3), text("a")),
    "frames: not at an end": program(pickle.FRAME + struct.pack("<Q", 9), pickle.NONE) + b"." * 9,
    "a value is called": program(call(name("numpy", "log1p"), integer(1))),
    "a metric is called": program(
        call(name("sklearn.metrics._classification", "accuracy_score"), integer(1), integer(1))
    ),
    "the result of a call is called": program(
        call(call(name("collections", "OrderedDict")), integer(1))
    ),
    "bytearray of a terabyte": program(
        call(name("builtins", "bytearray"), pickle.LONG1 + b"\x06" + b"\0" * 5 + b"\1")
    ),
    "ndarray through NEWOBJ": program(NDARRAY, _ONE, pickle.NEWOBJ),
    "arguments of __new__": program(_LR, _ONE, pickle.NEWOBJ),
    "keyword arguments": program(
        _LR, _EMPTY, pickle.EMPTY_DICT, text("a"), pickle.NONE, pickle.SETITEM, pickle.NEWOBJ_EX
    ),
    "generator constructor replaced": program(
        call(
            name("numpy.random._pickle", "__randomstate_ctor"),
            text("MT19937"),
            name("numpy", "log1p"),
        )
    ),
    "bit generator of another class": program(
        call(name("numpy.random._pickle", "__bit_generator_ctor"), _LR)
    ),
    "a function given to a constructor": program(
        call(name("sklearn.linear_model._sgd_fast", "Hinge"), name("numpy", "log1p"))
    ),
    "items of an instance": program(
        _LR, _EMPTY, pickle.NEWOBJ, text("a"), pickle.NONE, pickle.SETITEM
    ),
    "append to an instance": program(_LR, _EMPTY, pickle.NEWOBJ, pickle.NONE, pickle.APPEND),
    "name that is no text": program(integer(1), integer(2), pickle.STACK_GLOBAL),
    "second protocol": program(pickle.PROTO + b"\x02", pickle.NONE),
    "DUP": program(pickle.NONE, pickle.DUP, pickle.TUPLE2),
    "number that two readers read differently": program(pickle.INT + b"0x1_0\n"),
    "python 2 text": program(pickle.SHORT_BINSTRING + b"\x01a", protocol=2),
    "scipy's maker of distributions": program(
        name("scipy.stats._distn_infrastructure", "rv_continuous"),
        _EMPTY,
        pickle.NEWOBJ,
        pickle.EMPTY_DICT,
        text("_parse_arg_template"),
        text("import os"),
        pickle.SETITEM,
        pickle.BUILD,
    ),
}
TOO_LARGE: dict[str, bytes] = {
    "17 FRAME of 2^60": program(pickle.FRAME + struct.pack("<Q", 1 << 60), pickle.NONE),
    "17 BYTEARRAY8 of 2^38": program(pickle.BYTEARRAY8 + struct.pack("<Q", 1 << 38), protocol=5),
    "17 BINBYTES8 of 2^63": program(pickle.BINBYTES8 + struct.pack("<Q", 1 << 63)),
    "17 BINUNICODE8 of 2^62": program(pickle.BINUNICODE8 + struct.pack("<Q", 1 << 62)),
    "integer of 8,000 bytes": program(pickle.LONG4 + struct.pack("<I", 8000), b"\1" * 8000),
}
MALFORMED: dict[str, bytes] = {
    "22 zip": b"PK\x03\x04" + bytes(40),
    "22 7z": b"7z\xbc\xaf\x27\x1c" + bytes(40),
    "22 lz4": b"\x04\x22\x4d\x18" + bytes(40),
    "empty": b"",
    "compressed, empty": zlib.compress(b""),
    "no pickle": b"\xffhello world",
    "text": b"hello world, this is no pickle\n",
    "only a head": b"\x80\x04",
    "stack underflow": program(pickle.TUPLE2),
    "mark missing": program(pickle.TUPLE),
    "unknown memo entry": program(pickle.BINGET + b"\x07"),
    "two objects": program(pickle.NONE, pickle.NONE),
    "text that is no utf-8": program(pickle.SHORT_BINUNICODE + b"\x01\xff"),
    "line without end": program(pickle.GLOBAL + b"numpy"),
    "zlib cut off": zlib.compress(program(text("a" * 5000)))[:-9],
    "bytes behind zlib": zlib.compress(program(pickle.NONE)) + b"x",
    "compressed twice, so that joblib would read another pickle": _bz2_polyglot(),
    "old joblib": b"ZF0x10" + bytes(40),
}
