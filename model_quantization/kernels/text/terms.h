/* Symbols of a vocabulary: hashed words, children in a tree, short sorts. */

#ifndef TERMS_H
#define TERMS_H

#include <string.h>

#include "kernel.h"

/* FNV-1a, 32 bits (G. Fowler, L. C. Noll, K.-P. Vo). */
#define FNV_START 2166136261u
#define FNV_PRIME 16777619u

enum { UNKNOWN = -1, EDGE = -2, SHORT_LIST = 40 };

INLINE u32 hashed_with(u32 value, u8 byte) { return (value ^ byte) * FNV_PRIME; }

INLINE u32 hashed(const u8 *data, i64 start, i64 end) {
    u32 value = FNV_START;
    for (i64 at = start; at < end; at++)
        value = hashed_with(value, data[at]);
    return value;
}

/* Whether the bytes are those of a symbol. A symbol out of range is equal to nothing. */
INLINE int is_symbol(const u8 *data, i64 start, i64 end, u8_in blob, i32_in offsets, i64 symbol) {
    if (symbol < 0 || symbol + 1 >= offsets.size)
        return 0;
    const i64 other = offsets.at[symbol], size = offsets.at[symbol + 1] - other;
    if (size != end - start || other < 0 || other + size > blob.size)
        return 0;
    for (i64 at = 0; at < size; at++)
        if (data[start + at] != blob.at[other + at])
            return 0;
    return 1;
}

/* The symbol with these bytes, whose hash is `value`; -1 when there is none. The table's size is a
   power of two, and one of its places is empty. */
INLINE i64 symbol_of(
    const u8 *data, i64 start, i64 end, u32 value, u8_in blob, i32_in offsets, u32_in table
) {
    const u32 mask = (u32)(table.size - 1);
    u32 slot = (value ^ (value >> 15)) & mask;
    for (i64 tried = 0; tried < table.size && table.at[slot]; tried++) {
        const i64 symbol = (i64)table.at[slot] - 1;
        if (is_symbol(data, start, end, blob, offsets, symbol))
            return symbol;
        slot = (slot + 1) & mask;
    }
    return UNKNOWN;
}

#define IS_POWER_OF_TWO(size) ((size) > 0 && ((size) & ((size) - 1)) == 0)

/* Sort non-negative integers in place: short lists by insertion, long ones byte by byte. `scratch`
   is as long as the list. */
#define SORT_ASCENDING(T)                                                                  \
    INLINE void sort_ascending_##T(T *values, i64 n, T *scratch) {                         \
        if (n <= SHORT_LIST) {                                                             \
            for (i64 i = 1; i < n; i++) {                                                  \
                const T value = values[i];                                                 \
                i64 j = i - 1;                                                             \
                for (; j >= 0 && values[j] > value; j--)                                   \
                    values[j + 1] = values[j];                                             \
                values[j + 1] = value;                                                     \
            }                                                                              \
            return;                                                                        \
        }                                                                                  \
        i64 top = 0;                                                                       \
        for (i64 i = 0; i < n; i++)                                                        \
            top = MAX(top, (i64)values[i]);                                                \
        T *source = values, *target = scratch;                                             \
        int shift = 0;                                                                     \
        for (; shift < 64 && top >> shift > 0; shift += 8) {                               \
            i64 places[257] = {0};                                                         \
            for (i64 i = 0; i < n; i++)                                                    \
                places[(((i64)source[i] >> shift) & 255) + 1]++;                           \
            for (int digit = 0; digit < 256; digit++)                                      \
                places[digit + 1] += places[digit];                                        \
            for (i64 i = 0; i < n; i++)                                                    \
                target[places[((i64)source[i] >> shift) & 255]++] = source[i];             \
            T *const swapped = source;                                                     \
            source = target, target = swapped;                                             \
        }                                                                                  \
        if (shift & 8)                                                                     \
            memcpy(values, scratch, (size_t)n * sizeof(T));                                \
    }

#endif
