"""Walks the opcodes of a pickle without making any object.

Long payloads stay where they are, so that the time depends on the number of opcodes, not of bytes.
What Python 3 and joblib write is accepted and the rest of the language refused: an opcode that no
pickler uses is an attack or a mistake.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from mmap import mmap
from typing import Final, TypeAlias

from model_quantization.dangerous import warning
from model_quantization.errors import (
    HostileFile,
    InputRefused,
    LimitError,
    ScanMalformed,
    ScanRefused,
)
from model_quantization.loading.pickles.array_state import check_wrapper_state
from model_quantization.loading.pickles.machine import Findings, Machine
from model_quantization.loading.pickles.placeholders import Instance, Members, NDArray, Pairs
from model_quantization.loading.pickles.stream import LEAVE, RESAVE, decode
from model_quantization.trust import JOBLIB_WRAPPER, how_to_trust

Handler: TypeAlias = Callable[[Machine], None]

_INTEGER: Final = re.compile(rb"00|01|0|-?[1-9][0-9]{0,999}")
_LONG: Final = re.compile(rb"(?:0|-?[1-9][0-9]{0,1999})L?")
_INDEX: Final = re.compile(rb"0|[1-9][0-9]{0,9}")
_FLOAT: Final = re.compile(rb"-?(?:nan|inf|[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?)")
_LONG_BYTES: Final = 1024  # far from the 4,300 digits that Python refuses to print
_STOP: Final = pickle.STOP[0]
_NAMES_SHOWN: Final = 40
_NAME_SHOWN: Final = 200


def walk_pickle(
    data: mmap, start: int, found: Findings, *, nested: bool = False
) -> tuple[object, int, int]:
    """Walk the pickle that begins at `start`: its object's placeholder, its end, its protocol.

    Parameters
    ----------
    data, start
        The mapped file, and where the pickle begins in it.
    found
        The walk's findings are added to it.
    nested
        Whether this is the pickle that joblib writes for an array of objects.

    Raises
    ------
    ScanRefused, ScanMalformed, LimitError
        Placed at the byte offset and the opcode.
    """
    machine = Machine(data, start, found, nested=nested)
    try:
        root = _run(machine)
    except (InputRefused, LimitError) as error:
        # the unlisted names are the reason of the refusal, whatever comes after them
        if found.unlisted:
            raise _names_refused(machine) from error
        raise error.at(_place(machine)) from error
    except IndexError as error:
        if found.unlisted:
            raise _names_refused(machine) from error
        what = "an opcode finds nothing on the stack to work on"
        if machine.op_start >= len(data):
            what = "the file ends before the pickle does"
        raise ScanMalformed(what, where=_place(machine), do=RESAVE) from error
    if found.unlisted and not nested:
        raise _names_refused(machine)
    protocol = machine.protocol
    if protocol is None:
        protocol = 0 if machine.text_memo else 1
    return root, machine.stream.pos, protocol


def _run(machine: Machine) -> object:
    stream, data = machine.stream, machine.stream.data
    limit = machine.found.limits.pickle_opcodes
    count = machine.found.opcodes
    while True:
        machine.op_start = position = stream.pos
        code = data[position]
        stream.pos = position + 1
        count += 1
        if code == _STOP:
            break
        _HANDLERS[code](machine)
        if stream.pos >= stream.frame_stop:
            stream.leave_frame()
        if count > limit:
            do = "raise `limits.pickle_opcodes` only if you know where this file is from"
            raise LimitError("has too many opcodes", expected=f"at most {limit:,}", do=do)
    machine.found.opcodes = count
    stream.leave_frame()
    if stream.in_frame:
        raise ScanRefused("the pickle stops before its frame does", do=LEAVE)
    if len(machine.stack) != 1 or machine.below:
        got = f"{len(machine.stack)} and {len(machine.below)} open marks"
        raise ScanMalformed("the pickle does not end with one object", got=got, do=RESAVE)
    return machine.stack[0]


def _place(machine: Machine, position: int | None = None) -> str:
    at, data = machine.op_start if position is None else position, machine.stream.data
    place = f"byte {at:,}"
    return f"{place} ({_NAMES.get(data[at], 'no opcode')})" if at < len(data) else place


def _names_refused(machine: Machine) -> ScanRefused:
    """The refusal of all names that are not on the allow-list, at the place of the first."""
    found = machine.found.unlisted
    names = [name if name.isprintable() else ascii(name) for name in found]
    what = f"{names[0]} is not on the allow-list"
    if len(names) > 1:
        shown = ", ".join(name[:_NAME_SHOWN] for name in names[:_NAMES_SHOWN])
        more = len(names) - _NAMES_SHOWN
        also = f" and {more:,} more" if more > 0 else ""
        what = f"{len(names):,} names are not on the allow-list: {shown}{also}"
    place = _place(machine, next(iter(found.values())))
    if warned := warning(names):  # advice on all of them, not only on the shown ones
        return HostileFile(what, where=place, do=warned)
    return ScanRefused(what, where=place, do=how_to_trust(*names[:_NAMES_SHOWN]))


# Opcodes that need more than one line.


def _refuse(machine: Machine) -> None:
    code = machine.stream.data[machine.op_start]
    if machine.op_start == machine.start and not machine.nested:
        raise ScanMalformed("is not a pickle", got=f"first byte {code:#04x}", do=RESAVE)
    raise ScanRefused(
        f"uses opcode {code:#04x}, which Python 3 and joblib do not write",
        do="load it with the Python that wrote it, if you trust it, and save it again",
    )


def _protocol(machine: Machine) -> None:
    machine.protocol = machine.stream.unsigned(1)
    if machine.op_start != machine.start or machine.protocol > pickle.HIGHEST_PROTOCOL:
        got = str(machine.protocol)
        raise ScanRefused("names a protocol where none may stand", got=got, do=LEAVE)


def _line(machine: Machine, pattern: re.Pattern[bytes]) -> bytes:
    line = machine.stream.line()
    if not pattern.fullmatch(line):
        got = repr(line[:40])
        raise ScanRefused("a number is not written as picklers do", got=got, do=LEAVE)
    return line


def _int_line(machine: Machine) -> None:
    line = _line(machine, _INTEGER)
    machine.stack.append(line == b"01" if line in (b"00", b"01") else int(line))


def _float_line(machine: Machine) -> None:
    machine.stack.append(float(_line(machine, _FLOAT)))


def _long_line(machine: Machine) -> None:
    machine.stack.append(int(_line(machine, _LONG).rstrip(b"L")))


def _long(machine: Machine, width: int) -> None:
    size = machine.stream.unsigned(width)
    start = machine.stream.skip(size)
    if size > _LONG_BYTES:
        expected = f"at most {_LONG_BYTES:,} bytes"
        raise LimitError("an integer is too long", expected=expected, got=f"{size:,}", do=LEAVE)
    digits = machine.stream.data[start : start + size]
    machine.stack.append(int.from_bytes(digits, "little", signed=True))


def _float(machine: Machine) -> None:
    machine.stream.skip(8)
    machine.stack.append(0.0)  # no decision depends on the value of a float


def _global(machine: Machine) -> None:
    module, qualname = machine.stream.line(), machine.stream.line()
    machine.find(module.decode("utf-8", "replace"), qualname.decode("utf-8", "replace"))


def _stack_global(machine: Machine) -> None:
    qualname, module = machine.stack.pop(), machine.stack.pop()
    machine.find(module, qualname)


def _put_line(machine: Machine) -> None:
    machine.text_memo = True
    machine.put(int(_line(machine, _INDEX)))


def _memoize(machine: Machine) -> None:
    memo = machine.memo
    if len(memo) < machine.found.limits.pickle_memo:
        memo[len(memo)] = machine.stack[-1]
    else:
        machine.put(len(memo))


def _pop_two(machine: Machine) -> list[object]:
    second, first = machine.stack.pop(), machine.stack.pop()
    return [first, second]


def _tuple(machine: Machine, size: int) -> None:
    stack = machine.stack
    if len(stack) < size:
        raise IndexError
    items = tuple(stack[-size:])
    del stack[-size:]
    stack.append(items)


def _push_marked(machine: Machine, make: Callable[[list[object]], object]) -> None:
    items = machine.pop_mark()
    machine.stack.append(make(items))


def _dict(machine: Machine) -> None:
    items = machine.pop_mark()
    machine.stack.append(Pairs())
    machine.set_items(items)


def _frozen(machine: Machine) -> None:
    items = machine.pop_mark()
    machine.stack.append(Members())
    machine.add_members(items)


def _build(machine: Machine) -> None:
    state = machine.stack.pop()
    target = machine.stack[-1]
    machine.build(target, state)
    if isinstance(target, Instance) and target.name == JOBLIB_WRAPPER:
        machine.stack[-1] = _read_joblib_array(machine, state)


def _read_joblib_array(machine: Machine, state: object) -> NDArray:
    # joblib takes the bytes from the file, not from the frame: both must be at one place.
    stream = machine.stream
    stream.leave_frame()
    if machine.nested or stream.in_frame:
        raise ScanRefused("a joblib array begins inside a frame or another array", do=LEAVE)
    size, padded = check_wrapper_state(state, machine.found.trust)
    machine.found.joblib_arrays += 1
    array = NDArray("numpy:ndarray", args=None, built=True)
    if size is None:
        inner, stream.pos, _ = walk_pickle(stream.data, stream.pos, machine.found, nested=True)
        array.items.append(inner)
        return array
    if padded:
        stream.skip(stream.unsigned(1))
    if size > len(stream.data):
        expected, got = f"at most {len(stream.data):,} bytes", f"{size:,}"
        raise ScanRefused(
            "an array is larger than the whole file", expected=expected, got=got, do=RESAVE
        )
    stream.skip(size)
    return array


def _short_text(machine: Machine) -> None:
    # One term of a vocabulary each: the opcode that large text models are made of.
    stream = machine.stream
    start = stream.pos + 1
    stop = start + stream.data[stream.pos]
    if stop > len(stream.data):
        stream.skip(stop - stream.pos)
    stream.pos = stop
    machine.stack.append(decode(stream.data[start:stop], "utf-8"))


def _unsigned(width: int) -> Handler:
    return lambda machine: machine.stack.append(machine.stream.unsigned(width))


def _text(width: int) -> Handler:
    return lambda machine: machine.stack.append(machine.stream.text(machine.stream.unsigned(width)))


def _bytes(width: int) -> Handler:
    return lambda machine: machine.stack.append(
        machine.stream.bytes_or_blob(machine.stream.unsigned(width))
    )


def _constant(value: object) -> Handler:
    return lambda machine: machine.stack.append(value)


def _empty(make: type[list[object]]) -> Handler:
    return lambda machine: machine.stack.append(make())


_KNOWN: Final[dict[bytes, Handler]] = {
    pickle.PROTO: _protocol,
    pickle.FRAME: lambda machine: machine.stream.open_frame(),
    pickle.MARK: Machine.mark,
    pickle.POP: Machine.pop,
    pickle.POP_MARK: lambda machine: machine.pop_mark().clear(),
    pickle.NONE: _constant(None),
    pickle.NEWTRUE: _constant(True),
    pickle.NEWFALSE: _constant(False),
    pickle.INT: _int_line,
    pickle.LONG: _long_line,
    pickle.FLOAT: _float_line,
    pickle.BININT: lambda machine: machine.stack.append(machine.stream.int32()),
    pickle.BININT1: _unsigned(1),
    pickle.BININT2: _unsigned(2),
    pickle.LONG1: lambda machine: _long(machine, 1),
    pickle.LONG4: lambda machine: _long(machine, 4),
    pickle.BINFLOAT: _float,
    pickle.UNICODE: lambda machine: machine.stack.append(machine.stream.escaped_text()),
    pickle.SHORT_BINUNICODE: _short_text,
    pickle.BINUNICODE: _text(4),
    pickle.BINUNICODE8: _text(8),
    pickle.SHORT_BINBYTES: _bytes(1),
    pickle.BINBYTES: _bytes(4),
    pickle.BINBYTES8: _bytes(8),
    pickle.BYTEARRAY8: _bytes(8),
    pickle.EMPTY_LIST: _empty(list),
    pickle.EMPTY_DICT: _empty(Pairs),
    pickle.EMPTY_SET: _empty(Members),
    pickle.EMPTY_TUPLE: _constant(()),
    pickle.TUPLE1: lambda machine: _tuple(machine, 1),
    pickle.TUPLE2: lambda machine: _tuple(machine, 2),
    pickle.TUPLE3: lambda machine: _tuple(machine, 3),
    pickle.TUPLE: lambda machine: _push_marked(machine, tuple),
    pickle.LIST: lambda machine: _push_marked(machine, list),
    pickle.DICT: _dict,
    pickle.FROZENSET: _frozen,
    pickle.APPEND: lambda machine: machine.append([machine.stack.pop()]),
    pickle.APPENDS: lambda machine: machine.append(machine.pop_mark()),
    pickle.SETITEM: lambda machine: machine.set_items(_pop_two(machine)),
    pickle.SETITEMS: lambda machine: machine.set_items(machine.pop_mark()),
    pickle.ADDITEMS: lambda machine: machine.add_members(machine.pop_mark()),
    pickle.GET: lambda machine: machine.get(int(_line(machine, _INDEX))),
    pickle.BINGET: lambda machine: machine.get(machine.stream.unsigned(1)),
    pickle.LONG_BINGET: lambda machine: machine.get(machine.stream.unsigned(4)),
    pickle.PUT: _put_line,
    pickle.BINPUT: lambda machine: machine.put(machine.stream.unsigned(1)),
    pickle.LONG_BINPUT: lambda machine: machine.put(machine.stream.unsigned(4)),
    pickle.MEMOIZE: _memoize,
    pickle.GLOBAL: _global,
    pickle.STACK_GLOBAL: _stack_global,
    pickle.REDUCE: Machine.reduce,
    pickle.NEWOBJ: Machine.new_object,
    pickle.NEWOBJ_EX: lambda machine: machine.new_object(keywords=True),
    pickle.BUILD: _build,
}
_NAMES: Final = {
    value[0]: name
    for name, value in vars(pickle).items()
    if name.isupper() and isinstance(value, bytes) and len(value) == 1
}
_HANDLERS: Final = tuple(_KNOWN.get(bytes([code]), _refuse) for code in range(256))
