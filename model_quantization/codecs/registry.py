"""Names of codecs to codecs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from model_quantization.codecs.abc import Coder, Filter
from model_quantization.codecs.bitpack import Bitpack
from model_quantization.codecs.constant import Constant
from model_quantization.codecs.delta import Delta
from model_quantization.codecs.demote import Demote
from model_quantization.codecs.narrow import Narrow
from model_quantization.codecs.palette import Palette
from model_quantization.codecs.pco import Pcodec
from model_quantization.codecs.raw import Raw
from model_quantization.codecs.shuffle import Shuffle
from model_quantization.codecs.sparse import Sparse
from model_quantization.codecs.xz import Xz
from model_quantization.codecs.zstd import Zstd
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
