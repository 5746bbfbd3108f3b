"""The stack, the memo and the objects of one pickle, all of them inert placeholders.

Every method stands for one opcode of an unpickler, without its effect. Names are looked up on the
allow-list instead of imported, and calls are checked instead of made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from mmap import mmap
from typing import Final, TypeGuard

from model_quantization.errors import LimitError, ScanMalformed, ScanRefused
from model_quantization.limits import Limits
from model_quantization.loading.pickles.migrations.names import UFUNC, current_name
from model_quantization.loading.pickles.names import todays_name
from model_quantization.loading.pickles.placeholders import (
    Global,
    Instance,
    Members,
    Pairs,
    Unlisted,
    describe,
)
from model_quantization.loading.pickles.reconstructors import Call, make_called, make_empty
from model_quantization.loading.pickles.states import check_state, containers_of
from model_quantization.loading.pickles.stream import LEAVE, RESAVE, Stream
from model_quantization.trust import TrustPolicy

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
    """The findings of the walks over one file so far, and their rules.

    `unlisted` has the names that are not on the allow-list, and the byte at which each is first
    named: the walk goes on, so that one refusal names all of them.
    """

    trust: TrustPolicy
    limits: Limits
    names: set[str] = field(default_factory=set)
    unlisted: dict[str, int] = field(default_factory=dict)
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
        self.checked: dict[int, object] = {}  # containers that a rule has checked

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
        target = self._changeable()
        if type(target) is list:
            target += items
        elif self._is_a(target, "collections:deque"):
            target.items += items
        else:
            raise ScanRefused(
                "appends to something else than a list", got=describe(target), do=LEAVE
            )

    def set_items(self, items: list[object]) -> None:
        """Add pairs to the dict on top of the stack."""
        target = self._changeable()
        if len(items) % 2:
            raise ScanMalformed("a dict has a key without a value", do=RESAVE)
        for key in items[::2]:
            if type(key) is not str:
                _check_key(key)
        if type(target) is Pairs:
            target += items
        elif self._is_a(target, *_DICTS):
            target.items += items
        else:
            raise ScanRefused(
                "sets items of something else than a dict", got=describe(target), do=LEAVE
            )

    def _is_a(self, target: object, *names: str) -> TypeGuard[Instance]:
        return isinstance(target, Instance) and (
            target.name in names or target.name in self.found.trust.extra or target.unlisted
        )

    def _changeable(self) -> object:
        """The top of the stack, unless a rule has checked it: checked objects must not change."""
        target = self.stack[-1]
        if id(target) in self.checked:
            raise ScanRefused(
                "changes something after it was checked", got=describe(target), do=LEAVE
            )
        return target

    def add_members(self, items: list[object]) -> None:
        """Extend the set on top of the stack."""
        target = self._changeable()
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
        name = current_name(":".join(todays_name(module, qualname)))
        if not self.found.trust.allows_in_pickle(name):
            self.found.unlisted.setdefault(name, self.op_start)
            self.stack.append(Unlisted(name))
            return
        self.found.names.add(name)
        self.stack.append(Global(name))

    def reduce(self) -> None:
        """Replace a function and its arguments by the placeholder of what it would make."""
        args, function = self.stack.pop(), self.stack.pop()
        self._push(function, lambda: self._called(function, args))

    def _called(self, function: object, args: object) -> object:
        name = function.name if isinstance(function, Global) else ""
        if not name or not self.found.trust.may_call(name):
            raise ScanRefused(
                f"calls {describe(function)}",
                expected="a reconstructor on the allow-list",
                do=LEAVE,
            )
        if type(args) is not tuple:
            raise ScanRefused(f"calls {name} without a tuple", got=describe(args), do=LEAVE)
        if name == UFUNC:
            return self._ufunc(args)
        return make_called(Call(name, args, self.found.trust, self.stream.count_latin1))

    def _ufunc(self, args: tuple[object, ...]) -> object:
        """The ufunc of a module and a name, which older versions of numpy wrote as a call."""
        if len(args) != 2:
            raise ScanRefused(
                "names a ufunc in another way than numpy", got=describe(args), do=LEAVE
            )
        self.find(*args)
        found = self.stack.pop()
        if isinstance(found, Global) and not found.name.startswith(("numpy:", "scipy.special:")):
            raise ScanRefused(f"names {found.name} as a ufunc", do=LEAVE)
        return found

    def new_object(self, *, keywords: bool = False) -> None:
        """Replace a class and the arguments of its `__new__` by an instance."""
        extra = self.stack.pop() if keywords else Pairs()
        args, cls = self.stack.pop(), self.stack.pop()
        self._push(cls, lambda: self._made(cls, args, extra))

    def _made(self, cls: object, args: object, extra: object) -> object:
        if type(args) is not tuple or extra != []:
            raise ScanRefused(f"makes {describe(cls)} with keyword arguments", do=LEAVE)
        return make_empty(cls, args, self.found.trust)

    def _push(self, maker: object, make: Callable[[], object]) -> None:
        """Push the result of a rule; in a refused file, a placeholder without a class."""
        try:
            self.stack.append(make())
        except ScanRefused:
            if not self.found.unlisted:
                raise
            name = maker.name if isinstance(maker, Global | Instance) else ""
            self.stack.append(Instance(name, unlisted=True))

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
        if target.unlisted:
            return
        if check_state(target, state, self.found.trust):
            self.checked.update((id(each), each) for each in containers_of(state))
        if isinstance(state, Pairs) and "_sklearn_version" in state[::2]:
            version = state[state[::2].index("_sklearn_version") * 2 + 1]
            self.found.sklearn_version = version if isinstance(version, str) else None


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
