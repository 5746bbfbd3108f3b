"""Artifacts to read: every kind of node, scheme, layout and codec, and a few fitted models."""

from __future__ import annotations

import warnings
from functools import cache, partial
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.artifact.writer import EncodedModel, assemble, build_artifact
from model_quantization.codecs import encode_strings
from model_quantization.graph.nodes import (
    ArrayNode,
    BytesNode,
    DictNode,
    NameNode,
    Node,
    NumbersNode,
    ObjectArrayNode,
    ObjectNode,
    RecordArrayNode,
    RefNode,
    ScalarNode,
    SequenceNode,
    StringsNode,
    ValueNode,
)
from model_quantization.pipeline.in_memory import quantize_live_model
from model_quantization.schemes.quantize import quantize_array
from model_quantization.schemes.quantized_array import QuantizedArray
from model_quantization.schemes.recipe import recipe_for
from model_quantization.schemes.scheme import (
    Affine,
    Codebook,
    Exact,
    Float,
    Role,
    Scheme,
    Slot,
    affine_of,
)
from model_quantization.trust import TrustPolicy
from tests.artifact.text_samples import BEHIND_TEXT, TEXTS, behind_text, of_table, table
from tests.codecs.golden_cases import cases as codec_cases
from tests.codecs.pipelines import encode_with

HEADER: dict[str, Any] = {
    "producer": {"name": "model-quantization", "version": "0.1.0"},
    "libraries": {"scikit-learn": "1.9.1", "numpy": "2.4.6"},
    "source": {"name": "sample", "sha256": "", "size_bytes": 0},
    "model": {"type": "dict", "family": "generic", "surfaces": {}, "exact": True},
    "recipe": {"bit_depth": "exact", "weight_threshold": 0.0, "dynamic": True, "overrides": []},
    "residue": {},
    "notes": [],
}
FREE = Slot(Role.WEIGHT, channel_axis=0)


def exact(array: Array) -> QuantizedArray:
    """The array with every bit kept."""
    return quantize_array(array, Exact(), Slot(Role.STATE))


def write(root: Node, arrays: list[QuantizedArray]) -> bytes:
    """A file of these nodes and arrays."""
    pools = tuple(f"pool{index}" for index in range(len(arrays)))
    return build_artifact(EncodedModel(root, tuple(arrays), pools), HEADER)[0]


def sequence(*items: Node) -> SequenceNode:
    """A list node."""
    return SequenceNode("list", items)


def mapping(**items: Node) -> DictNode:
    """A dict node."""
    return DictNode(SequenceNode("list", tuple(items)), SequenceNode("list", tuple(items.values())))


@cache
def nodes_file() -> bytes:
    """Every tag of the grammar, and every dtype."""
    arrays: list[Array] = []

    def held(values: Any) -> int:
        arrays.append(np.asarray(values))
        return len(arrays) - 1

    texts = ["alpha", "b\u00e9ta", "", "lone \ud800 surrogate"]
    blob, lengths = encode_strings(texts)
    rng = np.random.default_rng(7)
    dtypes = {
        "bool": rng.random(40) < 0.5,
        "int8": rng.integers(-9, 9, 40).astype("i1"),
        "uint64": np.array([0, 1 << 63, (1 << 64) - 1], dtype="u8"),
        "int64": np.array([-(1 << 63), 0, (1 << 63) - 1]),
        "float16": rng.random(7).astype("f2"),
        "float32": rng.random((3, 4)).astype("f4"),
        "float64": np.array([[0.1, -0.0], [np.nan, np.inf]]),
        "complex": rng.random(3) + 1j * rng.random(3),
        "date": np.array(["2020-02-29", "NaT"], dtype="M8[D]"),
        "delta": np.array([1, -5], dtype="m8[ns]"),
        "octets": np.array([b"ab", b"c"]),
        "text": np.array(["\u20ac", "xyz"]),
        "fortran": np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
        "strided": np.ascontiguousarray(np.arange(40.0)[::3]),
        "scalar": np.array(3.5),
        "empty": np.zeros((0, 3)),
    }
    shared = SequenceNode("list", ("kept once", ArrayNode(held([1.5, 2.5]))), id=0)
    root = mapping(
        atoms=sequence(None, True, -5, 1 << 200, 0.1, -0.0, "text \ud800"),
        floats=sequence(float("nan"), float("inf"), float("-inf")),
        tuple=SequenceNode("tuple", (1, 2)),
        sets=sequence(SequenceNode("set", (1, "a")), SequenceNode("frozenset", (2,))),
        dict=DictNode(
            SequenceNode("list", (1, SequenceNode("tuple", ("a", 2)))),
            SequenceNode("list", ("one", "pair")),
        ),
        bulk=DictNode(
            StringsNode("list", held(blob), held(lengths)),
            NumbersNode("list", "int", held(np.arange(4))),
        ),
        arrays=mapping(**{name: ArrayNode(held(values)) for name, values in dtypes.items()}),
        records=RecordArrayNode(
            (2,),
            ("left", "pair"),
            (ArrayNode(held([1, 2])), ArrayNode(held([[1.0, 2.0], [3.0, 4.0]]))),
            32,
            (0, 8),
        ),
        scalars=sequence(
            ScalarNode("<f4", np.float32(1.5).tobytes().hex()),
            ScalarNode("<M8[D]", np.datetime64("2020-01-01").tobytes().hex()),
            ScalarNode("<U0", ""),
        ),
        objects=ObjectArrayNode((2, 1), sequence("a", None)),
        strings=StringsNode("tuple", held(blob), held(lengths)),
        numbers=NumbersNode("tuple", "<f4", held(np.array([1, 2], "f4"))),
        octets=sequence(
            BytesNode("bytes", held(np.frombuffer(b"xyz", "u1"))),
            BytesNode("bytearray", held(np.frombuffer(b"", "u1"))),
        ),
        values=sequence(
            ValueNode("complex", (1.0, -2.0)),
            ValueNode("slice", (None, 3, None)),
            ValueNode("range", (0, 9, 2)),
            ValueNode("dtype", ("<f4",)),
        ),
        name=NameNode("numpy:log1p"),
        object=ObjectNode("collections:OrderedDict", (), None, mapping(first=1, second=2)),
        generator=ObjectNode(
            "numpy.random._generator:Generator",
            (),
            mapping(
                bit_generator="PCG64",
                state=mapping(state=35399562948360463058890781895381311971, inc=1),
                has_uint32=0,
                uinteger=0,
            ),
        ),
        shared=shared,
        again=RefNode(0),
    )
    return write(root, [exact(array) for array in arrays])


SCHEMES: dict[str, Scheme] = {
    "exact": Exact(),
    "float16": Float(16),
    "float32": Float(32),
    "int8": Affine(8),
    "int16": Affine(16),
    "int8_array": Affine(8, "array"),
    "uint8": Affine(8, symmetric=False),
    "uint16": Affine(16, symmetric=False),
    "codebook4": Codebook(4),
    "codebook8": Codebook(8),
}


def scheme_arrays() -> dict[str, Array]:
    """Arrays for every scheme: full, mostly zero, Fortran-ordered."""
    rng = np.random.default_rng(3)
    full = rng.normal(size=(4, 50))
    mostly_zero = np.where(rng.random((4, 500)) < 0.03, rng.normal(size=(4, 500)), 0.0)
    return {
        "full": full,
        "zeros": mostly_zero,
        "fortran": np.asfortranarray(rng.normal(size=(5, 60)).astype("f4")),
        "fortran_zeros": np.asfortranarray(mostly_zero.astype("f4")),
    }


@cache
def schemes_file() -> bytes:
    """Every scheme in both layouts and both orders."""
    arrays = [
        quantize_array(array, scheme, FREE, threshold=0.0 if name == "exact" else 1e-9)
        for name, scheme in SCHEMES.items()
        for array in scheme_arrays().values()
    ]
    return write(sequence(*(ArrayNode(index) for index in range(len(arrays)))), arrays)


LOW_BITS = {
    f"{'signed' if symmetric else 'unsigned'}{bits}": affine_of(bits, symmetric=symmetric)
    for bits in (2, 3, 4, 5, 6, 7)
    for symmetric in (True, False)
}


@cache
def low_bits_file() -> bytes:
    """Codes of 2 to 7 bits, in both layouts and both orders."""
    arrays = [
        quantize_array(array, scheme, FREE, threshold=1e-9)
        for scheme in LOW_BITS.values()
        for array in scheme_arrays().values()
    ]
    return write(sequence(*(ArrayNode(index) for index in range(len(arrays)))), arrays)


@cache
def codecs_file() -> bytes:
    """Every codec: the pipelines of the codecs' own golden files."""
    streams, arrays, data = [], [], b""
    for codecs, values in codec_cases().values():
        stream = encode_with(codecs, values)
        place = ["bundle", len(data), len(stream.data)]
        streams.append([stream.dtype, stream.count, list(stream.pipeline), *place])
        data += stream.data
        meta = exact(values).to_meta()
        arrays.append([meta, [["values", len(streams) - 1, stream.count]]])
    manifest = {
        **HEADER,
        "graph": ["l", *(["a", index] for index in range(len(arrays)))],
        "arrays": arrays,
        "streams": streams,
        "evaluation": None,
        "golden": None,
    }
    return assemble(manifest, {"bundle": data})


def rows() -> Array:
    """Rows for the models of tables."""
    return np.random.default_rng(5).normal(size=(120, 40)).round(3)


def fitted(name: str) -> Any:
    """A small fitted model."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, SGDClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    y = (rows()[:, 0] + rows()[:, 1] > 0).astype(int) + (rows()[:, 2] > 1)
    labels = np.arange(len(TEXTS)) % 4 // 2
    match name:
        case "table":
            return of_table()
        case name if name in BEHIND_TEXT:
            return behind_text(name)
        case "linear":
            return make_pipeline(StandardScaler(), LogisticRegression()).fit(rows(), y)
        case "histogram":
            gaps = np.where(rows() > 1.5, np.nan, rows())
            made = HistGradientBoostingClassifier(max_iter=6, max_leaf_nodes=6, random_state=0)
            return made.fit(gaps, y)
        case "lightgbm":
            from lightgbm import LGBMClassifier

            return LGBMClassifier(n_estimators=4, num_leaves=5, verbose=-1, n_jobs=1).fit(rows(), y)
        case "xgboost":
            from xgboost import XGBClassifier

            return XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1).fit(rows(), y)
        case "catboost":
            from catboost import CatBoostClassifier

            quiet = {"verbose": 0, "thread_count": 1, "allow_writing_files": False}
            return CatBoostClassifier(iterations=4, depth=3, **quiet).fit(rows(), y)
        case "forest":
            return RandomForestClassifier(6, max_depth=6, random_state=0).fit(rows(), y)
        case _:
            text = TfidfVectorizer(ngram_range=(1, 2))
            return make_pipeline(text, SGDClassifier(random_state=0)).fit(TEXTS, labels)


MODELS = ("linear", "forest", "histogram", "text", *BEHIND_TEXT, "table")


def asked(name: str) -> Any:
    """What the fitted model of that name is asked about."""
    if name == "table":
        return table()
    return TEXTS if name.startswith("text") else rows()


@cache
def model_file(name: str, bit_depth: str = "8") -> bytes:
    """The artifact of a small fitted model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        recipe = recipe_for(bit_depth, 0.001)
        return quantize_live_model(fitted(name), recipe, TrustPolicy()).data


def coarser_file(name: str) -> bytes:
    """The artifact of a small model at levels that `auto` chooses from."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, WhiteKernel
    from sklearn.neighbors import KNeighborsClassifier

    from tests.families.at_levels import Coarsened

    random = np.random.default_rng(7)
    grid = random.integers(-8, 9, (300, 18)) / 4  # sums that every processor rounds alike
    match name:
        case "rotated":
            model = KNeighborsClassifier(3).fit(grid, grid[:, 0] > 0)
        case _:
            kernel = RBF(3.0) + WhiteKernel(0.1)
            process = GaussianProcessRegressor(kernel, optimizer=None)
            model = process.fit(grid[:60], grid[:60, 0])
    made = Coarsened.of(model)
    key, levels = made.levels_of(":rows")
    return made.artifact({key: levels[-1]})


FILES = {
    "nodes": nodes_file,
    "schemes": schemes_file,
    "codecs": codecs_file,
    "low_bits": low_bits_file,
    "rotated": partial(coarser_file, "rotated"),
    "process": partial(coarser_file, "process"),
    **{name: partial(model_file, name) for name in MODELS},
}

# Their libraries may be absent: the golden files are read and answered without them.
BOOSTERS = {
    name: partial(model_file, name, "exact") for name in ("lightgbm", "xgboost", "catboost")
}

__all__ = ["BOOSTERS", "FILES", "HEADER", "MODELS", "asked", "fitted", "model_file", "write"]
