"""Index, Series, DataFrame and dtypes of pandas as plain state, and back.

An artifact holds arrays, names and codes; the objects are made of them by pandas' public
constructors. pandas is imported only for such objects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from model_quantization.errors import UnsupportedComponent

_MASKED: Final = ("BooleanArray", "FloatingArray", "IntegerArray")
_DTYPES: Final = {f"{kind}Dtype" for kind in ("Boolean", "Float32", "Float64")} | {
    f"{sign}Int{bits}Dtype" for sign in ("", "U") for bits in (8, 16, 32, 64)
}


def pandas_name(kind: type) -> str:
    """`pandas:DataFrame` for pandas' own class, wherever a version of it has it; "" for others."""
    if kind.__module__.partition(".")[0] != "pandas":
        return ""
    name = f"pandas:{kind.__qualname__}"
    return name if name in STATES else ""


# Taken apart ----------------------------------------------------------------------------


def _array(values: Any) -> Any:
    """The description of an array of pandas: an array of numpy, or a dict with its kind."""
    if isinstance(values, np.ndarray):
        return values
    import pandas as pd

    kind, dtype = type(values).__name__, values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return {"kind": "category", "codes": np.asarray(values.codes), "dtype": dtype}
    if isinstance(dtype, pd.StringDtype):
        missing = np.asarray(values.isna())
        texts = values.to_numpy(dtype=object)
        texts[missing] = None
        return {"kind": "text", "values": texts, "dtype": dtype}
    if kind in _MASKED:
        present, missing = values._data, values._mask
        return {"kind": "masked", "array": kind, "values": present, "missing": missing}
    if isinstance(dtype, np.dtype):
        return values.to_numpy()
    raise UnsupportedComponent(
        f"an array of pandas of type {dtype} cannot be represented as data",
        do="turn the column into numbers, text or categories before saving",
    )


def _plain(values: Any) -> Any:
    """The array behind an index or a column, numpy's where that is all there is to it."""
    return values.to_numpy() if isinstance(values.dtype, np.dtype) else values.array


def _range_state(value: Any) -> dict[str, Any]:
    return {"start": value.start, "stop": value.stop, "step": value.step, "name": value.name}


def _levels_state(value: Any) -> dict[str, Any]:
    codes = [np.asarray(each) for each in value.codes]
    return {"levels": list(value.levels), "codes": codes, "names": list(value.names)}


def _series_state(value: Any) -> dict[str, Any]:
    return {"values": _array(_plain(value)), "index": value.index, "name": value.name}


def _frame_state(value: Any) -> dict[str, Any]:
    columns = [_array(_plain(value.iloc[:, at])) for at in range(value.shape[1])]
    return {"columns": value.columns, "index": value.index, "values": columns}


STATES: Final[dict[str, Callable[[Any], dict[str, Any]]]] = {
    "pandas:CategoricalDtype": lambda v: {"categories": v.categories, "ordered": v.ordered},
    "pandas:CategoricalIndex": lambda v: {"values": _array(_plain(v)), "name": v.name},
    "pandas:DataFrame": _frame_state,
    "pandas:DatetimeIndex": lambda v: {"values": _array(_plain(v)), "name": v.name},
    "pandas:Index": lambda v: {"values": _array(_plain(v)), "name": v.name},
    "pandas:MultiIndex": _levels_state,
    "pandas:RangeIndex": _range_state,
    "pandas:Series": _series_state,
    "pandas:StringDtype": lambda v: {"storage": v.storage, "missing": str(v.na_value)},
    "pandas:TimedeltaIndex": lambda v: {"values": _array(_plain(v)), "name": v.name},
} | {f"pandas:{name}": lambda v: {} for name in _DTYPES}


# Put together ---------------------------------------------------------------------------


def _values(described: Any) -> Any:
    import pandas as pd

    if isinstance(described, np.ndarray):
        return described
    match described:
        case {"kind": "category", "codes": codes, "dtype": dtype}:
            return pd.Categorical.from_codes(codes, dtype=dtype)
        case {"kind": "text", "values": texts, "dtype": dtype}:
            return pd.array(texts, dtype=dtype)
        case {"kind": "masked", "array": kind, "values": present, "missing": missing}:
            if kind in _MASKED:
                return getattr(pd.arrays, kind)(present, missing)
    raise ValueError("not an array of pandas")


def _made_index(name: str) -> Callable[[dict[str, Any]], Any]:
    def make(state: dict[str, Any]) -> Any:
        import pandas as pd

        values = _values(state["values"])
        own = {"dtype": values.dtype} if name == "Index" else {}
        return getattr(pd, name)(values, name=state["name"], **own)

    return make


def _made_range(state: dict[str, Any]) -> Any:
    import pandas as pd

    return pd.RangeIndex(state["start"], state["stop"], state["step"], name=state["name"])


def _made_levels(state: dict[str, Any]) -> Any:
    import pandas as pd

    return pd.MultiIndex(state["levels"], state["codes"], names=state["names"])


def _made_series(state: dict[str, Any]) -> Any:
    import pandas as pd

    values = _values(state["values"])
    return pd.Series(values, index=state["index"], name=state["name"], dtype=values.dtype)


def _made_frame(state: dict[str, Any]) -> Any:
    import pandas as pd

    columns = [_values(each) for each in state["values"]]
    by_place = {
        at: pd.Series(c, index=state["index"], dtype=c.dtype) for at, c in enumerate(columns)
    }
    made = pd.DataFrame(by_place, index=state["index"])
    made.columns = state["columns"]
    return made


def _made_categories(state: dict[str, Any]) -> Any:
    import pandas as pd

    return pd.CategoricalDtype(state["categories"], state["ordered"])


def _made_text(state: dict[str, Any]) -> Any:
    import pandas as pd

    missing: Any = {"nan": np.nan, "<NA>": pd.NA}[state["missing"]]
    return pd.StringDtype(state["storage"], na_value=missing)


def _made_dtype(name: str) -> Callable[[dict[str, Any]], Any]:
    def make(_: dict[str, Any]) -> Any:
        import pandas as pd

        return getattr(pd, name)()

    return make


_MADE: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "CategoricalDtype": _made_categories,
    "DataFrame": _made_frame,
    "MultiIndex": _made_levels,
    "RangeIndex": _made_range,
    "Series": _made_series,
    "StringDtype": _made_text,
    **{n: _made_index(n) for n in ("CategoricalIndex", "DatetimeIndex", "Index", "TimedeltaIndex")},
    **{name: _made_dtype(name) for name in _DTYPES},
}


def _making(make: Callable[[dict[str, Any]], Any]) -> Callable[[Any, str], Any]:
    return lambda state, path: make(state)


MAKERS: Final = {f"pandas:{name}": _making(make) for name, make in _MADE.items()}
