"""The functions that a pickle may call, with one rule for the arguments of each.

A function that is kept as a value never gets here: only names under `[reconstructors]` and
`[called classes]` of the allow-list do, and names that the run's configuration trusts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from model_quantization.errors import ScanRefused
from model_quantization.loading.pickles import array_state
from model_quantization.loading.pickles.placeholders import (
    Blob,
    Global,
    Instance,
    Members,
    Pairs,
    describe,
)
from model_quantization.trust import PARTIAL, TrustPolicy, is_read_as_data

_BASES: Final = {f"builtins:{name}" for name in ("dict", "float", "int", "list", "str", "tuple")}
_GENERATORS: Final = {
    "numpy.random._mt19937:MT19937",
    "numpy.random._pcg64:PCG64",
    "numpy.random._pcg64:PCG64DXSM",
    "numpy.random._philox:Philox",
    "numpy.random._sfc64:SFC64",
}
# Tuples with named parts: the arguments of `__new__` are their values.
_TUPLES: Final = {"sklearn.impute._iterative:_ImputerTriplet"}
_UNPICKLED_LOSS: Final = "sklearn._loss._loss:__pyx_unpickle_"
_GENERATOR_CTOR: Final = "numpy.random._pickle:__bit_generator_ctor"


@dataclass(frozen=True, slots=True)
class Call:
    """A function, its arguments, and the check of the names among them."""

    name: str
    args: tuple[object, ...]
    trust: TrustPolicy
    measure: Callable[[Blob], int]


Rule: TypeAlias = Callable[[Call], object]


def make_called(call: Call) -> object:
    """The placeholder for what a REDUCE of this function would give.

    Raises
    ------
    ScanRefused
        The arguments are not those that Python's own pickles give it.
    """
    if call.name in call.trust.extra or is_read_as_data(call.name):
        return Instance(call.name, call.args)
    rule = _cython_object if call.name.startswith(_UNPICKLED_LOSS) else _RULES.get(call.name)
    return rule(call) if rule else _make_plain(call)


def make_empty(cls: object, args: tuple[object, ...], trust: TrustPolicy) -> Instance:
    """The placeholder for `cls.__new__(cls, *args)`.

    Raises
    ------
    ScanRefused
        `cls` is not an allowed class, or one of the shipped list is given arguments.
    """
    if not isinstance(cls, Global) or not trust.may_make(cls.name):
        raise ScanRefused(
            f"makes an object of {describe(cls)}",
            expected="a class on the allow-list",
            do="do not open this file",
        )
    holds_arguments = cls.name in _TUPLES or is_read_as_data(cls.name)
    if args and cls.name not in trust.extra and not holds_arguments:
        raise _unexpected(cls.name, args)
    return Instance(cls.name, args)


def check_partial_state(target: Instance, state: object, trust: TrustPolicy) -> None:
    """Check that the state of a partial has the function and arguments of its call.

    Raises
    ------
    ScanRefused
        The state holds another function, positional arguments or attributes.
    """
    match target.args, state:
        case (Global(name=made),), (Global(name=called), (), Pairs(), None | []) if (
            made == called and trust.is_value(called)
        ):
            return
    raise ScanRefused(
        "the state of a partial is not that of its function and keyword arguments",
        expected=f"{describe(target.args)}, no positional arguments, a dict",
        got=describe(state),
        do="do not open this file, or pass the arguments by keyword and save it again",
    )


def _unexpected(name: str, args: tuple[object, ...]) -> ScanRefused:
    return ScanRefused(
        f"calls {name} with arguments that no pickle of it has",
        got=describe(args),
        do="do not open this file",
    )


def _make_plain(call: Call) -> Instance:
    # A class whose constructor keeps its arguments: numbers, texts and arrays, never a function.
    if any(isinstance(arg, Global) for arg in call.args):
        raise _unexpected(call.name, call.args)
    return Instance(call.name, call.args)


def _encode(call: Call) -> object:
    match call.args:
        case (str(text), "latin1" | "latin-1"):
            try:
                return text.encode("latin-1")
            except UnicodeEncodeError as error:
                raise _unexpected(call.name, call.args) from error
        case (Blob() as blob, "latin1" | "latin-1") if blob.encoding:
            return Blob(blob.start, call.measure(blob))
    raise _unexpected(call.name, call.args)


def _new_object(call: Call) -> Instance:
    if not call.args:
        raise _unexpected(call.name, call.args)
    return make_empty(call.args[0], call.args[1:], call.trust)


def _reconstructor(call: Call) -> Instance:
    match call.args:
        case (Global() as cls, Global(name="builtins:object"), None):
            return make_empty(cls, (), call.trust)
        case (Global() as cls, Global(name=base), state) if base in _BASES:
            made = make_empty(cls, (), call.trust)
            made.args = (state,)
            return made
    raise _unexpected(call.name, call.args)


def _cython_object(call: Call) -> Instance:
    match call.args:
        case (Global() as cls, int(), state) if call.trust.may_make(cls.name):
            return Instance(cls.name, (state,))
    raise _unexpected(call.name, call.args)


def _bit_generator(call: Call) -> Instance:
    match call.args:
        case () | (str(),):
            return Instance("numpy.random:BitGenerator")
        case (Global(name=name),) if name in _GENERATORS:
            return Instance("numpy.random:BitGenerator")
    raise _unexpected(call.name, call.args)


def _generator(call: Call) -> Instance:
    # The second argument is called by numpy: it must be numpy's own constructor.
    match call.args:
        case (str() | Instance(name="numpy.random:BitGenerator"),) | ():
            return Instance("numpy.random:Generator", call.args)
        case (str() | Instance(name="numpy.random:BitGenerator"), Global(name=name)) if (
            name == _GENERATOR_CTOR
        ):
            return Instance("numpy.random:Generator", call.args[:1])
    raise _unexpected(call.name, call.args)


def _set(call: Call) -> object:
    match call.args:
        case ():
            return Members()
        case (list() | tuple() as members,):
            return Members(members)
    raise _unexpected(call.name, call.args)


def _bytes(call: Call) -> object:
    match call.args:
        case ():
            return b""
        case (bytes() as data,):
            return data
        case (Blob() as blob,) if not blob.encoding:
            return blob
        case (str(), "latin1" | "latin-1"):
            return _encode(call)
        case (Blob(), "latin1" | "latin-1"):
            return _encode(call)
    raise _unexpected(call.name, call.args)  # bytearray(10**12) would allocate a terabyte


def _default_dict(call: Call) -> Instance:
    match call.args:
        case () | (None,):
            return Instance(call.name, call.args)
        case (Global(name=factory),) if call.trust.allows(factory):  # called with no arguments
            return Instance(call.name, call.args)
    raise _unexpected(call.name, call.args)


def _ordered(call: Call) -> Instance:
    match call.args:
        case () | (Pairs() | list(),):
            return Instance(call.name, call.args)
    raise _unexpected(call.name, call.args)


def _attribute(call: Call) -> object:
    """A method of a builtin type, which pickles as `getattr(str, "split")`: by its listed name."""
    match call.args:
        case (Global(name=owner), str(attribute)) if owner.startswith("builtins:"):
            name = f"{owner}.{attribute}"
            if call.trust.is_value(name):
                return Global(name)
        case (Instance(name=owner), "_entropy") if owner.startswith(
            "scipy.stats._discrete_distns:"
        ):
            return Instance("numpy:vectorize", built=True)  # bound anew when the object is made
    raise ScanRefused(
        f"takes an attribute by its name: {describe(call.args)}",
        expected="a method of a builtin type that stands under [values] of the allow-list",
        do="do not open this file, or put the call into a function of a module of yours",
    )


def _partial(call: Call) -> Instance:
    # A partial will be called: its function must be allowed as a value, and not be a partial.
    match call.args:
        case (Global(name=name),) if call.trust.is_value(name):
            return Instance(call.name, call.args)
    raise ScanRefused(
        f"makes a partial of {describe(call.args)}",
        expected="one function under [values] of the allow-list",
        do="do not open this file, or trust the function by its name if you wrote it",
    )


def _array(call: Call) -> object:
    return array_state.make_array(call.args, call.trust, masked=False)


def _scalar(call: Call) -> Instance:
    array_state.make_scalar(call.args)
    return Instance("numpy:generic", None, built=True)


_RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "_codecs:encode": _encode,
        "builtins:getattr": _attribute,
        "builtins:bytearray": _bytes,
        "builtins:bytes": _bytes,
        "builtins:frozenset": _set,
        "builtins:set": _set,
        "collections:Counter": _ordered,
        "collections:OrderedDict": _ordered,
        "collections:defaultdict": _default_dict,
        "copyreg:__newobj__": _new_object,
        "copyreg:_reconstructor": _reconstructor,
        PARTIAL: _partial,
        "numpy:dtype": lambda call: array_state.make_dtype(call.args),
        "numpy._core.multiarray:_reconstruct": _array,
        "numpy._core.multiarray:scalar": _scalar,
        "numpy._core.numeric:_frombuffer": lambda call: array_state.make_from_buffer(call.args),
        "numpy.ma.core:_mareconstruct": lambda call: array_state.make_array(
            call.args, call.trust, masked=True
        ),
        "numpy.random._pickle:__bit_generator_ctor": _bit_generator,
        "numpy.random._pickle:__generator_ctor": _generator,
        "numpy.random._pickle:__randomstate_ctor": _generator,
        "numpy.random.bit_generator:__pyx_unpickle_SeedSequence": _cython_object,
        "sklearn.metrics._dist_metrics:newObj": _new_object,
        "sklearn.neighbors._ball_tree:newObj": _new_object,
        "sklearn.neighbors._kd_tree:newObj": _new_object,
    }
)
