"""Encoders: categories, bins and labels, which are never rounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import SemanticError
from model_quantization.families.family import Component, Example, Family, slots_for
from model_quantization.families.forms import Columns, Dense, Text
from model_quantization.families.lowered import Input, Lowered, Method, NotFast
from model_quantization.families.shared.category_packing import (
    CATEGORIES,
    REST,
    SIZES,
    STREAMS,
    decode_names,
    pack,
    unpack,
)
from model_quantization.families.shared.steps import all_finite, gives_frames, number_step
from model_quantization.kernels.tables.categories import (
    NOTHING,
    REFUSED,
    Cells,
    Codes,
    Encoder,
    Entries,
    Filler,
    Indicators,
    Lookup,
    lookup_of,
)
from model_quantization.kernels.tables.expansions import binned
from model_quantization.schemes.scheme import Role, Slot

_ONE_HOT = "sklearn.preprocessing._encoders:OneHotEncoder"
_ORDINAL = "sklearn.preprocessing._encoders:OrdinalEncoder"
_TARGET = "sklearn.preprocessing._target_encoder:TargetEncoder"
_BINS = "sklearn.preprocessing._discretization:KBinsDiscretizer"
_TYPES = frozenset({_ONE_HOT, _ORDINAL, _TARGET, _BINS}) | {
    f"sklearn.preprocessing._label:{name}"
    for name in ("LabelEncoder", "LabelBinarizer", "MultiLabelBinarizer")
}
_SLOTS = {
    "bin_edges_": Slot(Role.THRESHOLD, note="an edge decides in which bin a value is"),
    "bin_edges_/*": Slot(Role.THRESHOLD, note="an edge decides in which bin a value is"),
    "encodings_/*": Slot(Role.STATISTIC),
    "target_mean_": Slot(Role.STATISTIC),
} | slots_for(
    ("categories_/*", "classes_", "classes_/*", *STREAMS, SIZES, f"{REST}/*", "*"),
    Slot(Role.LABEL),
)
_DTYPES = {"builtins:float": "d", "numpy:float64": "d", "numpy:float32": "f"}


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The encoder as tables, for the steps before and after it; alone it is scikit-learn's."""
    if component.type == _BINS:
        return _bins(component)
    make = _MAKERS.get(component.type)
    if make is None or gives_frames(component):
        return NotFast("encoders of this class, and those that give frames, have no fast form")
    categories = _categories(component)
    lookups = [lookup_of(each) for each in categories]
    known = tuple(lookup for lookup in lookups if lookup is not None)
    encoder = make(component, known) if len(known) == len(categories) else None
    if encoder is None:
        return NotFast("its categories, or the type of its columns, have no fast form")

    def absorb(previous: Lowered) -> Lowered | None:
        if not isinstance(previous.form, Columns) or previous.form.encoder is not None:
            return None
        filler = previous.form.filler
        if filler is None or len(filler.values) != len(known):
            return None
        form = _form(component, encoder, filler, filler.names)
        by = f"{previous.by}, then {_BY}"
        paths = (*previous.names, component.path)
        return _lowered(form, by, paths, None, filler.names, len(known))

    columns = component.get("feature_names_in_")
    form = _form(component, encoder, None, columns)
    return _lowered(form, _BY, (component.path,), absorb, columns, len(known))


_BY = "an encoder of categories"


def _bins(component: Component) -> Lowered | NotFast:
    """Values to the numbers of their bins, or to one indicator column per bin."""
    edges, how, width = (component.get(name) for name in ("bin_edges_", "encode", "n_features_in_"))
    if not isinstance(edges, np.ndarray) or edges.dtype != object or edges.shape != (width,):
        return NotFast("its edges are not known")
    inner = [each[1:-1] for each in edges if isinstance(each, np.ndarray)]
    if component.get("dtype") not in (None, "numpy:float64") or len(inner) != len(edges):
        return NotFast("it gives numbers of another type than it takes")
    if any(each.ndim != 1 or each.dtype.char != "d" or np.isnan(each).any() for each in inner):
        return NotFast("its edges are no float64")
    place = binned(inner)
    asks_double = component.get("dtype") is not None
    counts = [len(each) + 1 for each in inner]
    starts = np.cumsum([0, *counts])

    def codes(rows: Array) -> Array | None:
        if (asks_double and rows.dtype.char != "d") or not all_finite(rows):
            return None
        return place(rows)

    if how == "ordinal":
        return number_step(
            component, codes, by="numbers of bins", n_features=width, n_columns=width
        )

    def ones(rows: Array) -> Array | None:
        found = codes(rows)
        return None if found is None else found.astype(np.int64) + starts[:-1]

    def block(rows: Array) -> Array | None:
        at = ones(rows)
        if at is None:
            return None
        found = np.zeros((len(rows), int(starts[-1])), dtype=rows.dtype)
        found[np.arange(len(rows))[:, np.newaxis], at] = 1
        return found

    def entries(rows: Array) -> Entries | None:
        # Of float32 rows scikit-learn makes a matrix of that type.
        at = ones(rows) if rows.dtype.char == "d" else None
        if at is None:
            return None
        ends = np.arange(len(rows) + 1, dtype=np.int64) * at.shape[1]
        return at.astype(np.int32).reshape(-1), np.ones(at.size), ends

    if not _is_plain(component.get("_encoder"), counts):
        return NotFast("its encoder does not fit its bins")
    by = "a column of ones for each bin"
    if how == "onehot-dense":
        return number_step(component, block, by=by, n_features=width, n_columns=int(starts[-1]))
    from model_quantization.kernels.tables.sparse_rows import SparseRows

    rows = SparseRows(int(starts[-1]), entries)
    return Lowered(
        {"transform": rows.matrix},
        by=by,
        names=(component.path,),
        n_features=width,
        n_columns=rows.n_columns,
        form=Text(rows),
    )


def _is_plain(encoder: object, counts: list[int]) -> bool:
    """Whether an encoder makes one column per bin and leaves none out."""
    if not isinstance(encoder, Component) or encoder.get("drop") is not None:
        return False
    if encoder.get("_infrequent_enabled") or CATEGORIES not in encoder:
        return False
    known = list(encoder[CATEGORIES])
    return len(known) == len(counts) and all(
        np.array_equal(one, np.arange(count)) for one, count in zip(known, counts, strict=True)
    )


def _lowered(
    form: Columns,
    by: str,
    names: tuple[str, ...],
    absorb: Callable[[Lowered], Lowered | None] | None,
    names_of: Any,
    width: int,
) -> Lowered:
    """A predictor of a table, or of cells without names; sparse rows are for the next step only."""
    takes: Input = "cells" if names_of is None else "table"
    methods: dict[str, Method] = {}
    if isinstance(form.whole, Dense):
        methods["transform"] = form.whole.rows
    elif isinstance(form.whole, Text) and names_of is None:
        methods["transform"] = form.whole.step.matrix
    return Lowered(
        methods, by=by, names=names, input=takes, n_features=width, form=form, absorb=absorb
    )


def _form(component: Component, encoder: Encoder, filler: Filler | None, names: Any) -> Columns:
    """The encoder and its filler, for columns of a table and for a whole table."""
    from model_quantization.kernels.tables.frame_columns import CategoryColumns, FrameStep
    from model_quantization.kernels.tables.sparse_rows import SparseRows

    is_sparse = component.get("sparse_output") is True
    if names is None:
        cells = Cells(encoder, filler)
        rows = SparseRows(encoder.n_columns, cells.entries, getattr(encoder, "dtype", "d"))
        whole = Text(rows) if is_sparse else Dense(cells.block)
        return Columns(encoder, filler, whole)
    columns = tuple(str(name) for name in names)
    table = FrameStep((CategoryColumns(columns, filler, encoder),), exactly=columns)
    return Columns(encoder, filler, Text(table) if is_sparse else Dense(table.rows))


def _categories(component: Component) -> list[Array]:
    """The categories of each column, as they are or unpacked."""
    if CATEGORIES in component:
        return list(component[CATEGORIES])
    rest = component[REST]
    names = decode_names(component.__getitem__, len(rest))
    return [
        np.array([*leading, *left], dtype=object) if isinstance(left, list) else left
        for leading, left in zip(names, rest, strict=True)
    ]


def _one_hot(component: Component, lookups: tuple[Lookup, ...]) -> Encoder | None:
    dtype = _DTYPES.get(component.get("dtype"))
    widths = component["_n_features_outs"]
    if dtype is None:
        return None
    if len(widths) != len(lookups):
        raise SemanticError("widths for another number of columns", where=component.path)
    starts = np.cumsum([0, *widths])
    targets = tuple(
        _columns_of_ones(component, feature, lookup.size, int(starts[feature]))
        for feature, lookup in enumerate(lookups)
    )
    for feature, target in enumerate(targets):
        known = target[:-1][target[:-1] >= 0]
        if known.size != 0 and int(known.max()) + 1 != starts[feature + 1]:
            raise SemanticError(
                "a column of categories has another width than it says",
                where=component.path,
                expected=str(int(known.max()) + 1 - starts[feature]),
                got=str(widths[feature]),
            )
        if known.size == 0 and widths[feature]:
            raise SemanticError("columns for categories that do not exist", where=component.path)
    return Indicators(lookups, targets, int(starts[-1]), dtype)


def _columns_of_ones(component: Component, feature: int, size: int, start: int) -> Array:
    """The column that each category of a feature sets to 1; the last entry is for unknown ones.

    The steps are those of scikit-learn's `transform`, taken by one row per category.
    """
    handling, drop = component["handle_unknown"], component.get("drop")
    places = np.arange(size + 1)
    known = places < size
    places[-1] = 0
    rare = _rare(component, feature)
    if rare is not None:
        first, mapping = rare
        places[-1] = first
        known[-1] = handling in ("infrequent_if_exist", "warn")
        places = mapping[places]
    dropped = component.get("_drop_idx_after_grouping")
    if dropped is not None and dropped[feature] is not None:
        known &= places != dropped[feature]
        places = places - (places > dropped[feature])
    columns = np.where(known, places + start, NOTHING)
    # An unknown value is an error or a warning: the real encoder gives both.
    if handling in ("error", "warn") or drop is not None:
        columns[-1] = REFUSED
    return columns


def _rare(component: Component, feature: int) -> tuple[int, Array] | None:
    """The first infrequent category of a feature, and what each category is after grouping."""
    if not component.get("_infrequent_enabled"):
        return None
    infrequent = component["_infrequent_indices"][feature]
    mapping = component["_default_to_infrequent_mappings"][feature]
    return None if infrequent is None or mapping is None else (int(infrequent[0]), mapping)


def _ordinal(component: Component, lookups: tuple[Lookup, ...]) -> Encoder | None:
    dtype = _DTYPES.get(component.get("dtype"))
    handling, missing = component["handle_unknown"], component.get("_missing_indices")
    if dtype is None or not isinstance(missing, dict):
        return None
    unknown = component["unknown_value"] if handling == "use_encoded_value" else 0
    targets = []
    for feature, lookup in enumerate(lookups):
        numbers = np.arange(lookup.size + 1)
        rare = _rare(component, feature)
        gap = missing.get(feature)
        if rare is not None:  # missing values are never grouped
            grouped = np.flatnonzero(numbers[:-1] != gap) if gap is not None else numbers[:-1]
            numbers[grouped] = rare[1][grouped]
        values = numbers.astype(dtype)
        if gap is not None:
            values[numbers == gap] = component["encoded_missing_value"]
        values[-1] = unknown
        targets.append(values)
    return Codes(lookups, tuple(targets), handling != "use_encoded_value", dtype)


def _target(component: Component, lookups: tuple[Lookup, ...]) -> Encoder | None:
    if component.get("target_type_") not in ("binary", "continuous"):
        return None
    encodings, mean = component["encodings_"], component["target_mean_"]
    targets = tuple(np.append(each, mean).astype(np.float64) for each in encodings)
    fits = [len(each) for each in targets] == [lookup.size + 1 for lookup in lookups]
    return Codes(lookups, targets, False, "d") if fits else None


_MAKERS: dict[str, Callable[[Component, tuple[Lookup, ...]], Encoder | None]] = {
    _ONE_HOT: _one_hot,
    _ORDINAL: _ordinal,
    _TARGET: _target,
}


def examples() -> Iterable[Example]:
    """Categories as strings and as numbers, and bins."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder

    rng = np.random.default_rng(0)
    numbers: Any = rng.choice([0.1, 0.30000000000000004, 7.25], size=(60, 3))
    names = np.array(["north", "north-east", "south"], dtype=object)[rng.integers(0, 3, (60, 2))]
    yield Example("names", OneHotEncoder().fit(names), names)
    yield Example("numbers", OneHotEncoder(handle_unknown="ignore").fit(numbers), numbers)
    yield Example("ordinal", OrdinalEncoder().fit(names), names)
    codes = np.array([f"item-{number:05d}" for number in range(300)], dtype=object).reshape(-1, 3)
    codes[7, 1] = codes[8, 1] = None
    yield Example("many", OrdinalEncoder(encoded_missing_value=-1).fit(codes), codes)
    bins = KBinsDiscretizer(5, encode="ordinal")
    if "quantile_method" in bins.get_params():  # since scikit-learn 1.7
        bins.set_params(quantile_method="averaged_inverted_cdf")
    spread = numbers + rng.normal(size=(60, 3))
    yield Example("bins", bins.fit(spread), numbers)
    bins = KBinsDiscretizer(4, encode="onehot-dense", strategy="uniform")
    yield Example("columns of bins", bins.fit(spread), numbers)
    for name, step, cells in (
        ("bins before a model", KBinsDiscretizer(4, strategy="uniform"), spread),
        ("names before a model", OneHotEncoder(handle_unknown="ignore"), names),
    ):
        model = make_pipeline(step, LogisticRegression())
        yield Example(name, model.fit(cells, spread[:, 0] > 3), cells)


FAMILY = Family(
    name="encoders",
    types=_TYPES,
    slots=_SLOTS,
    pack=pack,
    unpack=unpack,
    lower=lower,
    examples=examples,
)
