/* What a kernel is written with: arrays as pointers with sizes, and what it returns.

   A kernel knows nothing of Python and allocates nothing. The build reads its prototype, so that
   the types below are all that a new kernel has to say of itself:

       KERNEL none scale(f64_in values, f64 factor, f64_out out)
       {
           REQUIRE(values.size == out.size);
           for (i64 at = 0; at < values.size; at++)
               out.at[at] = values.at[at] * factor;
           return DONE;
       }

   `_in` is only read, `_out` may be written. `_rows_in` and `_rows_out` have two dimensions. Arrays
   are contiguous, aligned, and of the machine's own byte order; the binding checks it. `_steps_in`
   need be neither contiguous nor aligned: a field of a table, say. AT_STEP reads it. */

#ifndef KERNEL_H
#define KERNEL_H

#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;
typedef float f32;
typedef double f64;

#define ARRAYS_OF(T)                                                   \
    typedef struct { const T *at; i64 size; } T##_in;                  \
    typedef struct { T *at; i64 size; } T##_out;                       \
    typedef struct { const T *at; i64 rows, columns; } T##_rows_in;    \
    typedef struct { T *at; i64 rows, columns; } T##_rows_out;         \
    typedef struct { const void *at; i64 size, step; } T##_steps_in;

ARRAYS_OF(u8)
ARRAYS_OF(u16)
ARRAYS_OF(u32)
ARRAYS_OF(u64)
ARRAYS_OF(i8)
ARRAYS_OF(i16)
ARRAYS_OF(i32)
ARRAYS_OF(i64)
ARRAYS_OF(f32)
ARRAYS_OF(f64)

#define JOIN_NAMES(a, b) a##b
#define JOIN(a, b) JOIN_NAMES(a, b)

/* Arrays of a type that the build chooses: see `Compiled for each` in kernels/__init__.py. */
#define IN(T) JOIN(T, _in)
#define OUT(T) JOIN(T, _out)
#define ROWS_IN(T) JOIN(T, _rows_in)
#define ROWS_OUT(T) JOIN(T, _rows_out)

/* What a kernel returns: nothing, a whole number, or whether something holds. */
struct outcome {
    i64 value;
    const char *broken; /* the requirement that the arguments break; NULL: none */
};
typedef struct outcome none;
typedef struct outcome integer;
typedef struct outcome truth;

#define KERNEL static
#define DONE ((struct outcome){0, NULL})
#define RETURN(result) return (struct outcome){(i64)(result), NULL}
/* Ends the kernel, before it touches an array, with a ValueError that names the condition. */
#define REQUIRE(condition)                              \
    do {                                                \
        if (!(condition))                               \
            return (struct outcome){0, #condition};     \
    } while (0)

/* Item k of a `_steps_in` array of T, which may lie anywhere. */
#define AT_STEP(T, array, k) \
    (((const struct { T item; } __attribute__((packed, may_alias)) *)((const char *)(array).at + \
                                                                       (k) * (array).step))->item)

#define INLINE static inline __attribute__((always_inline))

/* Sums and products of sizes, for requirements: too large is as large as can be, and fits nothing.
   Numbers that somebody else chose would otherwise wrap round to one that fits. */
INLINE i64 plus(i64 a, i64 b)
{
    i64 sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

INLINE i64 times(i64 a, i64 b)
{
    i64 product;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

/* Before a loop that is short and waits for what it wrote in the step before. clang unrolls such loops
   by itself. */
#if defined(__GNUC__) && !defined(__clang__)
#define UNROLLED _Pragma("GCC unroll 4")
#else
#define UNROLLED
#endif

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* A hint that memory will be read soon. It changes no result. */
#define PREFETCH(place) __builtin_prefetch(place)

#endif
