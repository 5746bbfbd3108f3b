"""Names of codecs to codecs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ml.quantization.codecs.abc import Coder, Filter
from ml.quantization.codecs.bitpack import Bitpack
from ml.quantization.codecs.constant import Constant
from ml.quantization.codecs.delta import Delta
from ml.quantization.codecs.demote import Demote
from ml.quantization.codecs.narrow import Narrow
from ml.quantization.codecs.palette import Palette
from ml.quantization.codecs.pco import Pcodec
from ml.quantization.codecs.raw import Raw
from ml.quantization.codecs.shuffle import Shuffle
from ml.quantization.codecs.sparse import Sparse
from ml.quantization.codecs.xz import Xz
from ml.quantization.codecs.zstd import Zstd
from ml.quantization.errors import CodecError


class Registry:
    """Codecs by their `id`, each once.

    Raises
    ------
    ValueError
        Two codecs of one name.
    """

    def __init__(self, codecs: Iterable[Filter | Coder] = ()) -> None:
        self._codecs: dict[str, Filter | Coder] = {}
        for codec in codecs:
            self.add(codec)

    def add(self, codec: Filter | Coder) -> None:
        """Make `codec` known; ValueError if its name is taken."""
        if codec.id in self._codecs:
            raise ValueError(f"codec {codec.id!r} is already registered")
        self._codecs[codec.id] = codec

    def __iter__(self) -> Iterator[str]:
        return iter(self._codecs)

    def __getitem__(self, name: object) -> Filter | Coder:
        """The codec of that name.

        Raises
        ------
        CodecError
            None has it; the message lists those there are.
        """
        if isinstance(name, str) and name in self._codecs:
            return self._codecs[name]
        raise CodecError(
            "unknown codec",
            expected=f"one of {', '.join(sorted(self._codecs))}",
            got=repr(name)[:80],
            do="read the file with a newer version of this library",
        )


REGISTRY = Registry(
    (
        Narrow(),
        Delta(),
        Demote(),
        Palette(),
        Sparse(),
        Shuffle(),
        Bitpack(),
        Raw(),
        Constant(),
        Zstd(),
        Pcodec(),
        Xz(),
    )
)
