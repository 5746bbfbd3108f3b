/* Vectors of the width that the instruction set has, through the extension of gcc and clang.

   A comparison gives -1 where it holds and 0 where not, of the width of what is compared. Loads
   and stores need no alignment. */

#ifndef VECTORS_H
#define VECTORS_H

#include "kernel.h"

#ifdef __AVX512F__
enum { VECTOR_BYTES = 64 };
#elif defined(__AVX__)
enum { VECTOR_BYTES = 32 };
#else
enum { VECTOR_BYTES = 16 };
#endif

/* A vector type of `count` items, aligned as one item, which may lie over an array of them. */
#define VECTOR_OF(T, NAME, COUNT) \
    typedef T NAME __attribute__((vector_size((COUNT) * sizeof(T)), aligned(sizeof(T)), may_alias))

#define LOAD(TYPE, place) (*(const TYPE *)(place))
#define STORE(TYPE, place, value) (*(TYPE *)(place) = (value))

#endif
