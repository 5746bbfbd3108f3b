"""Names of codecs to codecs: every file of `filters` and `coders` is one."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from types import ModuleType

from model_quantization.codecs import coders, filters
from model_quantization.codecs.abc import Coder, Filter
from model_quantization.errors import CodecError


class Registry:
    """Codecs by their `id`, each once.

    Raises
    ------
    ValueError
        Two codecs of one name.
    """

    def __init__(self, codecs: Iterable[Filter | Coder] = ()) -> None:
        self._codecs: dict[str, Filter | Coder] = {}
        # Kept sorted: each array asks for them, and a look at what a codec is costs as much as it.
        self._filters: list[Filter] = []
        self._coders: list[Coder] = []
        for codec in codecs:
            self.add(codec)

    def add(self, codec: Filter | Coder) -> None:
        """Make `codec` known; ValueError if its name is taken."""
        if codec.id in self._codecs:
            raise ValueError(f"codec {codec.id!r} is already registered")
        self._codecs[codec.id] = codec
        if isinstance(codec, Filter):
            self._filters.append(codec)
            self._filters.sort(key=lambda each: each.order)
        elif codec.order is not None:
            self._coders.append(codec)
            self._coders.sort(key=_order)

    def filters(self) -> list[Filter]:
        """Return the filters in the order in which their chains are tried."""
        return list(self._filters)

    def coders(self) -> list[Coder]:
        """Return the coders that are tried on every array, in their order."""
        return list(self._coders)

    def __iter__(self) -> Iterator[str]:
        return iter(self._codecs)

    def __getitem__(self, name: object) -> Filter | Coder:
        """The codec of that name.

        Raises
        ------
        CodecError
            No codec has it; the message lists the known ones.
        """
        if isinstance(name, str) and name in self._codecs:
            return self._codecs[name]
        raise CodecError(
            "unknown codec",
            expected=f"one of {', '.join(sorted(self._codecs))}",
            got=repr(name)[:80],
            do="read the file with a newer version of this library",
        )


def _order(coder: Coder) -> int:
    return coder.order or 0


def codecs_in(package: ModuleType) -> Iterator[Filter | Coder]:
    """Yield the codec of every file of a package, by the names of the files."""
    for found in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        yield importlib.import_module(f"{package.__name__}.{found.name}").CODEC


REGISTRY = Registry((*codecs_in(filters), *codecs_in(coders)))
