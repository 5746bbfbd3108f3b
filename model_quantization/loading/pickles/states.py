"""The states that a pickle may give objects (BUILD): one rule per kind of object.

A rule checks a state once, when it is given. The checked containers must not change: numpy keeps
the dict of a dtype's fields, for one, and would follow whatever is put there later. The machine
refuses changes of every container that `containers_of` finds in such a state.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model_quantization.errors import ScanRefused
from model_quantization.loading.pickles import array_state
from model_quantization.loading.pickles.migrations.splines import PARTS, SPLINE
from model_quantization.loading.pickles.placeholders import (
    DType,
    Instance,
    Members,
    NDArray,
    Pairs,
    describe,
)
from model_quantization.loading.pickles.read_as_data import keeps_state_as_data
from model_quantization.loading.pickles.reconstructors import check_partial_state
from model_quantization.loading.pickles.stream import LEAVE
from model_quantization.trust import JOBLIB_WRAPPER, PARTIAL, TrustPolicy

# Objects whose own `__setstate__` takes a pair that is not (attributes, slots).
_TAKES_PAIRS: Final = {"numpy.random:BitGenerator"}
# Instances that an unpickler takes for a dict of attributes.
_DICTS: Final = {
    "collections:Counter",
    "collections:OrderedDict",
    "collections:defaultdict",
    "sklearn.utils._bunch:Bunch",
    "sklearn.utils:Bunch",
}


# Names that are read as data and give pandas' own object at once. All others keep their state as
# data, in a `__setstate__` of this library.
COMPLETE: Final = {"StringDtype", "_new_DatetimeIndex", "_new_Index", "_new_TimedeltaIndex"} | {
    f"{kind}Dtype"
    for kind in (
        "Boolean", "Float32", "Float64", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16",
        "UInt32", "UInt64",
    )
}  # fmt: skip
_TEXT: Final = "sklearn.feature_extraction.text:"
_VECTORIZERS: Final = {
    f"{_TEXT}{name}" for name in ("CountVectorizer", "HashingVectorizer", "TfidfVectorizer")
}


def check_state(target: Instance, state: object, trust: TrustPolicy) -> bool:
    """Check the state that a pickle gives `target`; whether a rule relies on what is in it.

    Raises
    ------
    ScanRefused
        A state that no pickle of such an object has, or that would change more than the object.
    """
    if isinstance(target, DType):
        array_state.set_dtype_state(target, state)
    elif isinstance(target, NDArray):
        array_state.set_array_state(target, state)
    elif target.name == PARTIAL and PARTIAL not in trust.extra:
        check_partial_state(target, state, trust)
    elif target.name != JOBLIB_WRAPPER:  # which is checked where its bytes are read
        if not keeps_state_as_data(target.name):
            _check_attributes(target, state, trust)
        elif (
            (kind := target.name.rpartition(":")[2]) in COMPLETE
            and not _is_cache(state)
            and not (kind == "StringDtype" and _is_storage(state))
        ):
            raise _refused("sets the state of what was complete when it was made", state)
        if target.name in _VECTORIZERS and target.name not in trust.extra:
            _check_vectorizer(state)
        return isinstance(state, tuple)
    return True


def containers_of(state: object) -> Iterator[object]:
    """The lists, dicts and sets of a state, also those inside its tuples."""
    seen: set[int] = set()
    waiting = [state]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):  # dicts and sets, too, are kinds of lists here
            yield part
        elif isinstance(part, tuple) and id(part) not in seen:
            seen.add(id(part))
            waiting.extend(part)


def _check_attributes(target: Instance, state: object, trust: TrustPolicy) -> None:
    """Refuse a state that is more than a dict of attributes.

    It sets the second part of a pair attribute by attribute, which runs properties and can replace
    the object's class: plain names in a plain dict only. An instance may be a kind of tuple.
    """
    if (
        isinstance(state, Instance)
        and not isinstance(state, NDArray)
        and state.name not in _DICTS
        and target.name not in trust.extra
    ):
        raise _refused("a state is an object of its own", state)
    if target.name in _TAKES_PAIRS or not isinstance(state, tuple) or len(state) != 2:
        return
    attributes, slots = state
    if target.name == SPLINE and isinstance(attributes, Instance) and attributes.name == PARTS:
        return  # since scipy 1.18; its reader looks at the inner object's parts alone
    if target.name.startswith("scipy.stats.") and _is_random(slots):
        slots = None  # its reader looks at neither part but the distribution's name
    for part in (attributes, slots):
        if part is None or type(part) is Pairs:
            continue
        if target.name not in trust.extra or isinstance(part, Instance | list | Members):
            raise _refused("a state of two parts has one that is no dict", part)
    for name in slots[::2] if isinstance(slots, Pairs) else ():
        if not isinstance(name, str) or name.startswith("__"):
            raise _refused("a state sets a special attribute", name)


def _is_random(part: object) -> bool:
    """Whether this is one of numpy's generators of random numbers."""
    return isinstance(part, Instance) and part.name == "numpy.random:Generator"


def _is_cache(state: object) -> bool:
    """Whether this is only the state of pandas' types."""
    return type(state) is Pairs and state[::2] == ["_cache"]


def _is_storage(state: object) -> bool:
    """Whether this is the state of pandas' type of texts, as pandas before 2.3 saved it."""
    return (
        type(state) is Pairs
        and state[::2] == ["storage"]
        and type(state[1]) is str
        and state[1] in ("python", "pyarrow")
    )


def _check_vectorizer(state: object) -> None:
    """Refuse a vectorizer that would open the files that its callers name."""
    if type(state) is not Pairs or not all(type(key) is str for key in state[::2]):
        raise _refused("a vectorizer's state is not a dict of attributes", state)
    for key, value in zip(state[::2], state[1::2], strict=True):
        if key == "input" and value != "content":
            raise ScanRefused(
                "a vectorizer takes documents for the names of files and opens them",
                expected='input="content"',
                got=describe(value),
                do='set `input = "content"`, read the files before asking, and save it again',
            )


def _refused(what: str, got: object) -> ScanRefused:
    return ScanRefused(what, got=describe(got), do=LEAVE)
