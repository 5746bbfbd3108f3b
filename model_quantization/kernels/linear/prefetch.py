"""A hint to the processor that memory will be read soon. It changes no result."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

_build: Any = cgutils
_arrays: Any = arrayobj
_READ, _SECOND_LEVEL, _DATA = 0, 2, 1  # arguments of LLVM's llvm.prefetch


def _prefetch(typing_context: Any, array: Any, row: Any, column: Any) -> Any:
    """Ask for the cache line of `array[row, column]`, a place that exists."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> None:
        from llvmlite import ir  # type: ignore[import-untyped, unused-ignore]

        kind = signature.args[0]
        held = _arrays.make_array(kind)(context, builder, args[0])
        place = _build.get_item_pointer(
            context, builder, kind, held, list(args[1:]), wraparound=False, boundscheck=False
        )
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        hint = _build.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [byte, word, word, word]),
            "llvm.prefetch.p0",
        )
        flags = [word(_READ), word(_SECOND_LEVEL), word(_DATA)]
        builder.call(hint, [builder.bitcast(place, byte), *flags])

    return types.void(array, types.intp, types.intp), emit


prefetch: Any = intrinsic(_prefetch)
