"""Index, Series, DataFrame and dtypes of pandas, made by its public constructors.

People save the columns of a table, or a table of a few rows, beside a model. What a pickle holds of
them differs from version to version; the names of its parts are matched by their last part.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from model_quantization.arrays import Array
from model_quantization.loading.pickles.read_as_data.inert import InertObject

_MASKED: Final = ("BooleanArray", "FloatingArray", "IntegerArray")
_DTYPES: Final = {f"{kind}Dtype" for kind in ("Boolean", "Float32", "Float64")} | {
    f"{sign}Int{bits}Dtype" for sign in ("", "U") for bits in (8, 16, 32, 64)
}


def table_reader(name: str) -> Any:
    """The function that makes the named object; None for a part that is only read."""
    if not name.startswith("pandas"):
        return None
    kind = name.rpartition(":")[2]
    if kind in ("_new_Index", "_new_DatetimeIndex", "_new_TimedeltaIndex"):
        return _index
    if kind in _STATES:
        import pandas as pd

        return _reader(getattr(pd, kind), _STATES[kind])
    if kind in _DTYPES:
        import pandas as pd

        return _maker(getattr(pd, kind))
    return _TextType if kind == "StringDtype" else None


@functools.cache
def _reader(cls: type, make: Callable[[Any], Any]) -> type:
    def set_state(self: Any, state: Any) -> None:
        made = make(state)
        object.__setattr__(self, "__class__", cls)
        vars(self).update(vars(made))

    return type(cls.__name__, (cls,), {"__module__": cls.__module__, "__setstate__": set_state})


@functools.cache
def _maker(cls: type) -> type:
    """A class whose `__new__` gives an object of `cls`, which has no state."""
    return type(cls.__name__, (), {"__new__": lambda _: cls()})


class _TextType:
    """What files hold for pandas' type of texts; making one gives pandas' own.

    pandas before 2.3 saved one without arguments and set `storage` then: missing texts were NA.
    """

    def __new__(cls, storage: Any = None, na_value: Any = None) -> Any:
        import pandas as pd

        if na_value is None or na_value is pd.NA:
            return pd.StringDtype(storage)
        try:
            return pd.StringDtype(storage, na_value=na_value)
        except TypeError:
            raise ValueError(
                "texts whose missing ones are NaN: pandas has them since 2.3"
            ) from None


def _index(cls: Any, parts: dict[str, Any]) -> Any:
    import pandas as pd

    kind = getattr(cls, "name", "").rpartition(":")[2].rpartition(".")[2]
    name = parts.get("name")
    if kind == "RangeIndex":
        return pd.RangeIndex(parts["start"], parts["stop"], parts["step"], name=name)
    if kind == "MultiIndex":
        codes: Any = [np.asarray(each) for each in parts["codes"]]
        return pd.MultiIndex(parts["levels"], codes, names=parts["names"])
    if kind not in ("Index", "CategoricalIndex", "DatetimeIndex", "TimedeltaIndex"):
        raise ValueError(f"an index of the kind {kind!r:.80}")
    values = array_of(parts["data"])
    return getattr(pd, kind)(values, name=name, **_kept(values, kind))


def _kept(values: Any, kind: str) -> dict[str, Any]:
    # Without it pandas looks for a narrower type of what are objects.
    return {"dtype": values.dtype} if kind == "Index" else {}


def array_of(value: Any) -> Any:
    """The numpy or pandas array that a file describes.

    Raises
    ------
    ValueError
        An array of a kind that is not read, or parts that do not fit each other.
    """
    import pandas as pd

    if isinstance(value, np.ndarray):
        return value
    if not isinstance(value, InertObject):
        raise ValueError(f"an array of the kind {type(value).__name__}")  # noqa: TRY004  as others
    if value.kind.startswith("ArrowStringArray"):
        dtype = value.state.get("_dtype") or pd.StringDtype("pyarrow", na_value=pd.NA)
        return pd.array(_arrow_texts(value.state["_pa_array"]), dtype=dtype)
    if value.kind in _MASKED:
        return getattr(pd.arrays, value.kind)(value.state["_data"], value.state["_mask"])
    if value.kind == "__pyx_unpickle_NDArrayBacked":
        return _backed(value)
    raise ValueError(f"an array of the kind {value.kind}")


def _backed(value: InertObject) -> Any:
    import pandas as pd

    kind = getattr(value.args[0], "name", "").rpartition(":")[2]
    parts = value.state if isinstance(value.state, tuple) else value.args[2]
    data = next(part for part in parts if isinstance(part, np.ndarray))
    dtype = next(part for part in parts if not isinstance(part, np.ndarray | dict))
    if kind == "Categorical":
        return pd.Categorical.from_codes(data, dtype=dtype)
    if kind in ("DatetimeArray", "TimedeltaArray") and data.dtype == dtype:
        return data
    if kind.startswith("StringArray"):
        return pd.array(data, dtype=dtype)
    raise ValueError(f"an array of the kind {kind} and type {getattr(dtype, 'name', dtype)!s:.80}")


def _arrow_texts(value: Any) -> Array:
    """The texts of an arrow array, None where one is missing; every offset is checked."""
    if not isinstance(value, InertObject) or value.kind not in ("_restore_array", "chunked_array"):
        raise ValueError("texts of an unknown form")
    if value.kind == "chunked_array":
        return np.concatenate([np.zeros(0, dtype=object), *map(_arrow_texts, value.args[0])])
    kind, length, _, offset, (valid, ends, data), *_ = value.args[0]
    widths = {"large_string": "<i8", "string": "<i4"}
    width = widths.get(kind.args[0] if isinstance(kind, InertObject) and kind.args else "")
    if (
        width is None
        or type(length) is not int
        or type(offset) is not int
        or min(length, offset) < 0
    ):
        raise ValueError("texts of an unknown form")
    raw = _bytes(data)
    cuts = np.frombuffer(_bytes(ends), dtype=width)[offset : offset + length + 1]
    if length and (len(cuts) != length + 1 or cuts[0] < 0 or cuts[-1] > len(raw)):
        raise ValueError("texts that leave their buffer")
    known = np.ones(length, dtype=bool)
    if valid is not None:
        bits = np.unpackbits(np.frombuffer(_bytes(valid), np.uint8), bitorder="little")
        known = bits[offset : offset + length].astype(bool)
    texts = np.full(length, None, dtype=object)
    for at in np.flatnonzero(known).tolist():  # a bit too few is an IndexError below
        if cuts[at] > cuts[at + 1]:
            raise ValueError("texts that leave their buffer")
        texts[at] = raw[cuts[at] : cuts[at + 1]].decode()
    if len(known) != length:
        raise ValueError("texts without a mark whether they are missing")
    return texts


def _bytes(buffer: Any) -> bytes:
    content = buffer.args[0] if isinstance(buffer, InertObject) and buffer.args else b""
    if not isinstance(content, bytes | bytearray):
        raise ValueError("a buffer that is no bytes")  # noqa: TRY004  as others
    return bytes(content)


def _series(state: Any) -> Any:
    import pandas as pd

    axes, arrays, *_ = state["_mgr"].state
    values = array_of(arrays[0])
    return pd.Series(values, index=axes[0], name=state.get("_name"), dtype=values.dtype)


def _frame(state: Any) -> Any:
    import pandas as pd

    blocks, (columns, index) = state["_mgr"].args
    columns_by_place: dict[int, Any] = {}
    for block in blocks:
        values, places, _ = block.args
        values = array_of(values)
        at = range(*places.indices(len(columns))) if isinstance(places, slice) else places
        rows = values if getattr(values, "ndim", 1) == 2 else [values]
        for place, row in zip(at, rows, strict=True):
            columns_by_place[int(place)] = pd.Series(row, index=index, dtype=row.dtype)
    if sorted(columns_by_place) != list(range(len(columns))):
        raise ValueError("the blocks of a table are not its columns")
    made = pd.DataFrame(dict(sorted(columns_by_place.items())), index=index)
    made.columns = columns
    return made


def _categories(state: Any) -> Any:
    import pandas as pd

    return pd.CategoricalDtype(state["categories"], state["ordered"])


_STATES: Final[dict[str, Callable[[Any], Any]]] = {
    "CategoricalDtype": _categories,
    "DataFrame": _frame,
    "Series": _series,
}
