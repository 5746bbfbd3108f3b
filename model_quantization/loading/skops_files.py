"""Translates a skops file into an equal pickle, which is then scanned like any other.

A skops file is a zip archive: `schema.json` is a tree of nodes, arrays lie beside it as `.npy` and
`.npz` files (skops writes it in its module `skops.io`). The translation reads data alone: no name
in the file is imported, and nothing of it is called. What the names mean, whether they are allowed,
and what other versions of scikit-learn saved, is for the scan and the reader of pickles to say, so
that one model gives one answer in either form.
"""

from __future__ import annotations

import json
import pickle
import zipfile
import zlib
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any, ClassVar, Final, TypeAlias

import numpy as np

from model_quantization.errors import LimitError, ScanMalformed, ScanRefused
from model_quantization.limits import Limits

_SCHEMA: Final = "schema.json"
_NEWEST_PROTOCOL: Final = 2

# These are made by functions of their modules: their classes make no empty object.
_MADE_BY: Final = {
    "sklearn.neighbors._kd_tree:KDTree": "newObj",
    "sklearn.neighbors._ball_tree:BallTree": "newObj",
}
_METRICS: Final = "sklearn.metrics._dist_metrics"
_BIT_GENERATORS: Final = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
_KEYS: Final[dict[str, Callable[[str], Any]]] = {
    "builtins:str": str,
    "builtins:int": int,
    "builtins:float": float,
    "builtins:bool": "true".__eq__,
    "builtins:NoneType": lambda _: None,
    "numpy:str_": str,
    **{f"numpy:{kind}{bits}": int for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    "numpy:float32": float,
    "numpy:float64": float,
}

Node: TypeAlias = dict[str, Any]


def write_as_pickle(source: Path, target: Path, limits: Limits) -> None:
    """Write the model of the skops file `source` to `target`, as a pickle.

    Parameters
    ----------
    source : Path
        A zip archive.
    target : Path
        It must not exist.
    limits : Limits
        `decompressed_bytes` bounds what the archive holds, and the pickle.

    Raises
    ------
    ScanMalformed
        It is no skops file, a broken one, or one of a newer protocol.
    ScanRefused
        It holds a bound method, which only a call could make.
    LimitError
        It is larger or nested deeper than allowed.
    """
    with _told(), zipfile.ZipFile(source) as archive:
        if _SCHEMA not in archive.namelist():
            raise ScanMalformed(
                "is a zip archive (or a Keras or npz file)",
                expected="a pickle, joblib or skops file",
                do="load it with what made it and save it again with joblib.dump",
            )
        _check_sizes(archive, limits)
        schema = json.loads(archive.read(_SCHEMA))
        if schema.get("protocol", 0) not in range(_NEWEST_PROTOCOL + 1):
            raise ScanMalformed(
                "is of a protocol of skops that this library does not read",
                expected=f"at most {_NEWEST_PROTOCOL}",
                got=repr(schema["protocol"]),
                do="save the model again with joblib.dump",
            )
        model = _Translation(archive, limits).value(schema)
        with target.open("xb") as file:
            _Writer(_Bounded(file, limits)).dump(model)


@contextmanager
def _told() -> Iterator[None]:
    """Name what a broken archive makes of the readers of zip, JSON and arrays."""
    try:
        yield
    except RecursionError:
        raise LimitError(
            "nests deeper than can be read", do="save the model again with joblib.dump"
        ) from None
    except (ScanMalformed, ScanRefused, LimitError):
        raise
    except (
        ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, OSError,
        RuntimeError, TypeError, ValueError, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise ScanMalformed(
            "is a skops file that does not read",
            got=f"{type(error).__name__}: {error}"[:200],
            do="copy the file again from where it was made, or save the model again",
        ) from error


def _check_sizes(archive: zipfile.ZipFile, limits: Limits) -> None:
    size = sum(member.file_size for member in archive.infolist())
    if size > limits.decompressed_bytes:
        raise LimitError(
            "decompresses to more than is allowed",
            expected=f"at most {limits.decompressed_bytes:,} bytes",
            got=f"{size:,} bytes",
            do="raise `limits.decompressed_bytes` only if you know where this file is from",
        )


class _Name:
    """A class or function, by name."""

    def __init__(self, module: object, name: object) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise TypeError(f"no name: {module!r}, {name!r}")
        self.module = module
        self.name = name

    def __str__(self) -> str:
        return f"{self.module}:{self.name}"


class _Made:
    """What a name makes: an empty object, or what a call gives, and then its state."""

    def __init__(self, name: _Name, args: Any = None, state: Any = None) -> None:
        self.name = name
        self.args = args  # None: an empty object of this class
        self.state = state


class _Translation:
    """Nodes of one archive to values. A node that occurs twice gives one value, and so an array."""

    def __init__(self, archive: zipfile.ZipFile, limits: Limits) -> None:
        self._archive = archive
        self._limits = limits
        self._depth = 0
        self._values: dict[Any, Any] = {}
        self._arrays: dict[str, Any] = {}

    def value(self, node: Node) -> Any:
        """What the node stands for."""
        key = node.get("__id__")
        if key is None or key not in self._values:
            self._depth += 1
            if self._depth > self._limits.depth:
                raise LimitError(
                    "nests deeper than is allowed",
                    expected=f"at most {self._limits.depth} levels",
                    do="save the model again with joblib.dump",
                )
            kind = node["__loader__"]
            read = _READERS.get(kind)
            if read is None:
                raise ScanRefused(
                    f"holds a {kind} of {_name(node)}",
                    do="do not open this file, or save the model again with joblib.dump",
                )
            value = read(self, node)
            self._depth -= 1
            if key is None:
                return value
            self._values[key] = value
        return self._values[key]

    def values(self, nodes: list[Node]) -> list[Any]:
        """What each of the nodes stands for."""
        return [self.value(node) for node in nodes]

    def file(self, node: Node, read: Callable[[BytesIO], Any]) -> Any:
        """What lies in the node's file; a file is read once."""
        name = node["file"]
        if name not in self._arrays:
            self._arrays[name] = read(BytesIO(self._archive.read(name)))
        return self._arrays[name]

    def matrix(self, stream: BytesIO) -> Any:
        """A sparse matrix; its `.npz` file is an archive in the archive."""
        from scipy.sparse import load_npz

        with zipfile.ZipFile(stream) as inner:
            _check_sizes(inner, self._limits)
        stream.seek(0)
        return load_npz(stream)


def _name(node: Node) -> _Name:
    return _Name(node["__module__"], node["__class__"])


def _dict(at: _Translation, node: Node) -> Any:
    kinds = [str(_name(kind)) for kind in node["key_types"]["content"]]
    keys = [_KEYS[kind](key) for kind, key in zip(kinds, node["content"], strict=True)]
    made = zip(keys, at.values(list(node["content"].values())), strict=True)
    return OrderedDict(made) if node["__class__"] == "OrderedDict" else dict(made)


def _default_dict(at: _Translation, node: Node) -> Any:
    content = node["content"]
    found: Any = defaultdict(None, at.value(content["main"]))
    # The factory is a name, which only the writer may see: `defaultdict` asks for a function.
    return _Made(
        _Name("collections", "defaultdict"), (at.value(content["default_factory"]),), found
    )


def _tuple(at: _Translation, node: Node) -> Any:
    parts = tuple(at.values(node["content"]))
    name = _name(node)
    return parts if str(name) == "builtins:tuple" else _Made(name, parts)


def _function(at: _Translation, node: Node) -> _Name:
    content = node.get("content")  # protocol 0
    return _Name(content["module_path"], content["function"]) if content else _name(node)


def _partial(at: _Translation, node: Node) -> _Made:
    parts = (at.value(node["content"][key]) for key in ("func", "args", "kwds", "namespace"))
    function, args, keywords, attributes = parts
    return _Made(_name(node), (function,), (function, args, keywords, attributes or None))


def _object(at: _Translation, node: Node) -> _Made:
    name, state = _name(node), node.get("content")
    maker = _MADE_BY.get(str(name)) or ("newObj" if name.module == _METRICS else None)
    made = _Made(_Name(name.module, maker), (name,)) if maker else _Made(name)
    if "__id__" in node:  # a part may refer back to it
        at._values[node["__id__"]] = made
    made.state = None if state is None else at.value(state)
    return made


def _reduced(at: _Translation, node: Node) -> _Made:
    name, args = _name(node), at.value(node["__reduce__"]["args"])
    if node["__loader__"] == "TreeNode":
        name = _Name("sklearn.tree._tree", "Tree")
    return _Made(name, tuple(args), at.value(node["content"]) or None)


def _array(at: _Translation, node: Node) -> Any:
    if node["type"] == "numpy":
        found = at.file(node, lambda file: np.lib.format.read_array(file, allow_pickle=False))
        return found if node["__class__"] in ("ndarray", "matrix") else found[()]
    shape = tuple(at.value(node["shape"]))
    flat = _flat(at.values(node["content"]), len(shape) - 1)
    found = np.empty(len(flat), dtype=object)
    for index, item in enumerate(flat):
        found[index] = item
    return found.reshape(shape)


def _flat(items: list[Any], levels: int) -> list[Any]:
    for _ in range(levels):
        items = [item for inner in items for item in inner]
    return items


def _masked(at: _Translation, node: Node) -> Any:
    return np.ma.MaskedArray(at.value(node["content"]["data"]), at.value(node["content"]["mask"]))


def _random_state(at: _Translation, node: Node) -> np.random.RandomState:
    made = np.random.RandomState(np.random.MT19937(0))
    made.set_state(at.value(node["content"]))
    return made


def _generator(at: _Translation, node: Node) -> np.random.Generator:
    state = at.value(node["content"]["bit_generator"])
    if state["bit_generator"] not in _BIT_GENERATORS:
        raise ValueError(f"no bit generator: {state['bit_generator']!r}")
    made = getattr(np.random, state["bit_generator"])(0)
    made.state = state
    return np.random.Generator(made)


_READERS: Final[dict[str, Callable[[_Translation, Node], Any]]] = {
    "JsonNode": lambda at, node: json.loads(node["content"]),
    "DictNode": _dict,
    "DefaultDictNode": _default_dict,
    "ListNode": lambda at, node: at.values(node["content"]),
    "SetNode": lambda at, node: set(at.values(node["content"])),
    "TupleNode": _tuple,
    "BytesNode": lambda at, node: at.file(node, BytesIO.getvalue),
    "BytearrayNode": lambda at, node: bytearray(at.file(node, BytesIO.getvalue)),
    "SliceNode": lambda at, node: slice(*(node["content"][k] for k in ("start", "stop", "step"))),
    "FunctionNode": _function,
    "TypeNode": lambda at, node: _name(node),
    "PartialNode": _partial,
    "ConstructorFromReduceNode": lambda at, node: _Made(
        _name(node), tuple(at.value(node["content"]))
    ),
    "OperatorFuncNode": lambda at, node: _Made(_name(node), tuple(at.value(node["attrs"]))),
    "ObjectNode": _object,
    "TreeNode": _reduced,
    "LossNode": _reduced,
    "QuantileForestNode": _reduced,
    "NdArrayNode": _array,
    "MaskedArrayNode": _masked,
    "DTypeNode": lambda at, node: at.value(node["content"]).dtype,
    "RandomStateNode": _random_state,
    "RandomGeneratorNode": _generator,
    "SparseMatrixNode": lambda at, node: at.file(node, at.matrix),
}


class _Bounded:
    """A file that takes so many bytes and no more."""

    def __init__(self, file: IO[bytes], limits: Limits) -> None:
        self._file = file
        self._most = limits.decompressed_bytes
        self._left = limits.decompressed_bytes

    def write(self, data: Any) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise LimitError(
                "gives a pickle that is larger than allowed",
                expected=f"at most {self._most:,} bytes",
                do="raise `limits.decompressed_bytes` only if you know where this file is from",
            )
        self._file.write(data)


_Pickler: Final[Any] = vars(pickle)["_Pickler"]


class _Writer(_Pickler):  # type: ignore[misc]
    """Python's own pickler, in Python, which writes names that it does not import."""

    def __init__(self, file: _Bounded) -> None:
        super().__init__(file, protocol=4)  # the newest that keeps arrays in the pickle itself

    def save_name(self, name: _Name) -> None:
        self.save(name.module)
        self.save(name.name)
        self.write(pickle.STACK_GLOBAL)
        self.memoize(name)

    def save_made(self, made: _Made) -> None:
        self.save(made.name)
        self.save(made.args or ())
        self.write(pickle.NEWOBJ if made.args is None else pickle.REDUCE)
        self.memoize(made)
        if isinstance(made.state, defaultdict):
            self.write(pickle.MARK)
            for key, item in made.state.items():
                self.save(key)
                self.save(item)
            self.write(pickle.SETITEMS)
        elif made.state is not None:
            self.save(made.state)
            self.write(pickle.BUILD)

    dispatch: ClassVar = _Pickler.dispatch | {_Name: save_name, _Made: save_made}
