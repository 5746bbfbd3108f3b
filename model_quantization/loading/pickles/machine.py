"""The stack, the memo and the objects of one pickle, all of them inert placeholders.

Every method is what one opcode does in an unpickler, less the doing: names are looked up on the
allow-list instead of imported, calls are checked instead of made.
"""

from __future__ import annotations

from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from dataclasses import dataclass, field
from mmap import mmap
from typing import Final

from model_quantization.errors import LimitError, ScanMalformed, ScanRefused
from model_quantization.limits import Limits
from model_quantization.loading.pickles import array_state
from model_quantization.loading.pickles.migrations.names import current_name
from model_quantization.loading.pickles.placeholders import (
    DType,
    Global,
    Instance,
    Members,
    NDArray,
    Pairs,
    describe,
)
from model_quantization.loading.pickles.reconstructors import (
    Call,
    check_partial_state,
    make_called,
    make_empty,
)
from model_quantization.loading.pickles.stream import LEAVE, RESAVE, Stream
from model_quantization.trust import PARTIAL, TrustPolicy, how_to_trust

_KEY_PARTS: Final = 1000
_DICTS: Final = {
    "collections:OrderedDict",
    "collections:defaultdict",
    "collections:Counter",
    "sklearn.utils._bunch:Bunch",
    "sklearn.utils:Bunch",
}


@dataclass(slots=True)
class Findings:
    """What the walks of one file have seen so far, and the rules they go by."""

    trust: TrustPolicy
    limits: Limits
    names: set[str] = field(default_factory=set)
    opcodes: int = 0
    joblib_arrays: int = 0
    sklearn_version: str | None = None


class Machine:
    """The state of an unpickler that reads one pickle of the file; see `walk_pickle`."""

    def __init__(self, data: mmap, start: int, found: Findings, *, nested: bool = False) -> None:
        self.stream = Stream(data, start, found.limits.decompressed_bytes)
        self.found = found
        self.nested = nested
        self.protocol: int | None = None
        self.text_memo = False
        self.op_start = start
        self.start = start
        self.stack: list[object] = []
        self.below: list[list[object]] = []
        self.memo: dict[int, object] = {}

    # Stack and memo.

    def pop_mark(self) -> list[object]:
        """The objects since the last mark."""
        if not self.below:
            raise ScanMalformed("an opcode finds no mark", do=RESAVE)
        items = self.stack
        self.stack = self.below.pop()
        return items

    def mark(self) -> None:
        """Set a mark on the stack."""
        if len(self.below) >= self.found.limits.pickle_depth:
            expected = f"at most {self.found.limits.pickle_depth:,} levels"
            raise ScanRefused("nests too deep", expected=expected, do=LEAVE)
        self.below.append(self.stack)
        self.stack = []

    def pop(self) -> None:
        """Drop the top of the stack, or the last mark when nothing is above it."""
        if self.stack:
            self.stack.pop()
        else:
            self.pop_mark()

    def get(self, index: int) -> None:
        """Push what was stored under `index`."""
        if index not in self.memo:
            raise ScanMalformed(f"memo entry {index} was never stored", do=RESAVE)
        self.stack.append(self.memo[index])

    def put(self, index: int) -> None:
        """Store the top of the stack under `index`."""
        # Picklers count up from 0 (Python 2 from 1). An unpickler allocates up to the index.
        if index > len(self.memo) + 1:
            what = f"stores memo entry {index:,} when there are {len(self.memo):,}"
            raise ScanRefused(what, do=LEAVE)
        self.memo[index] = self.stack[-1]
        if len(self.memo) > self.found.limits.pickle_memo:
            do = "raise `limits.pickle_memo` only if you know where this file is from"
            raise LimitError("stores too many memo entries", got=f"{len(self.memo):,}", do=do)

    # Containers.

    def append(self, items: list[object]) -> None:
        """Extend the list on top of the stack."""
        target = self.stack[-1]
        if type(target) is list:
            target += items
        elif isinstance(target, Instance) and self._is_a("collections:deque", target):
            target.items += items
        else:
            raise ScanRefused(
                "appends to something else than a list", got=describe(target), do=LEAVE
            )

    def set_items(self, items: list[object]) -> None:
        """Add pairs to the dict on top of the stack."""
        target = self.stack[-1]
        if len(items) % 2:
            raise ScanMalformed("a dict has a key without a value", do=RESAVE)
        for key in items[::2]:
            if type(key) is not str:
                _check_key(key)
        if type(target) is Pairs:
            target += items
        elif isinstance(target, Instance) and any(self._is_a(name, target) for name in _DICTS):
            target.items += items
        else:
            raise ScanRefused(
                "sets items of something else than a dict", got=describe(target), do=LEAVE
            )

    def _is_a(self, name: str, target: Instance) -> bool:
        return target.name == name or target.name in self.found.trust.extra

    def add_members(self, items: list[object]) -> None:
        """Extend the set on top of the stack."""
        target = self.stack[-1]
        if type(target) is not Members:
            raise ScanRefused(
                "adds members to something else than a set", got=describe(target), do=LEAVE
            )
        for key in items:
            _check_key(key)
        target += items

    # Names and objects.

    def find(self, module: object, qualname: object) -> None:
        """Push the class or function of this name, which must be on the allow-list."""
        if not isinstance(module, str) or not isinstance(qualname, str):
            got = f"{describe(module)}, {describe(qualname)}"
            raise ScanRefused("a name is not text", got=got, do=LEAVE)
        if (self.protocol or 0) < 3:  # as unpicklers do: the names of Python 2
            module, qualname = NAME_MAPPING.get((module, qualname), (module, qualname))
            module = IMPORT_MAPPING.get(module, module)
        name = current_name(f"{module}:{qualname}")
        if not self.found.trust.allows_in_pickle(name):
            shown = name if name.isprintable() else ascii(name)
            raise ScanRefused(f"{shown} is not on the allow-list", do=how_to_trust(shown))
        self.found.names.add(name)
        self.stack.append(Global(name))

    def reduce(self) -> None:
        """Replace a function and its arguments by the placeholder of what it would make."""
        args, function = self.stack.pop(), self.stack.pop()
        name = function.name if isinstance(function, Global) else ""
        if not name or not self.found.trust.may_call(name):
            raise ScanRefused(
                f"calls {describe(function)}",
                expected="a reconstructor on the allow-list",
                do=LEAVE,
            )
        if type(args) is not tuple:
            raise ScanRefused(f"calls {name} without a tuple", got=describe(args), do=LEAVE)
        call = Call(name, args, self.found.trust, self.stream.count_latin1)
        self.stack.append(make_called(call))

    def new_object(self, *, keywords: bool = False) -> None:
        """Replace a class and the arguments of its `__new__` by an instance."""
        extra = self.stack.pop() if keywords else Pairs()
        args, cls = self.stack.pop(), self.stack.pop()
        if type(args) is not tuple or extra != []:
            raise ScanRefused(f"makes {describe(cls)} with keyword arguments", do=LEAVE)
        self.stack.append(make_empty(cls, args, self.found.trust))

    def build(self, target: object, state: object) -> None:
        """Give the instance `target` its state, once."""
        if not isinstance(target, Instance):
            what = "sets the state of something that is no instance"
            raise ScanRefused(what, got=describe(target), do=LEAVE)
        if target.built:
            what = "sets the state of an object a second time"
            raise ScanRefused(what, got=describe(target), do=LEAVE)
        target.built = True
        target.state = state
        if isinstance(target, DType):
            array_state.set_dtype_state(target, state)
        elif isinstance(target, NDArray):
            array_state.set_array_state(target, state)
        elif target.name == PARTIAL and PARTIAL not in self.found.trust.extra:
            check_partial_state(target, state, self.found.trust)
        else:
            _check_state(state)
            if isinstance(state, Pairs) and "_sklearn_version" in state:
                version = state[state.index("_sklearn_version") + 1]
                self.found.sklearn_version = version if isinstance(version, str) else None


def _check_state(state: object) -> None:
    # A pair (dict, dict) sets its second part by setattr, which runs properties: plain names only.
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], Pairs):
        for name in state[1][::2]:
            if not isinstance(name, str) or name.startswith("__"):
                what = "a state sets a special attribute"
                raise ScanRefused(what, got=describe(name), do=LEAVE)


def _check_key(key: object) -> None:
    # Hashing a tuple walks all of it, again and again where it is shared.
    left, waiting = _KEY_PARTS, [key]
    while waiting:
        part = waiting.pop()
        left -= 1
        if isinstance(part, list) or left < 0:
            what = "a dict key or a member of a set is too large or cannot be hashed"
            raise ScanRefused(what, got=describe(key), do=LEAVE)
        if isinstance(part, tuple):
            waiting.extend(part)
