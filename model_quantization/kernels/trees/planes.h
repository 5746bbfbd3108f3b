/* Planes of bits, whatever the leaves of the trees add: see bit_planes.py. */

#ifndef PLANES_H
#define PLANES_H

#include <string.h>

#include "vectors.h"
#include "walk.h"

enum { LANES = 256, WORDS = LANES / 64, MOST_LEAVES = 256, MOST_CELLS = 1 << 16 };
/* Boundaries that are read at once. */
enum { RUN = 16 };

/* A bit for each row of a block, and a byte for 32 of them. Row r has bit r / 32 of byte r % 32: so
   eight planes, one for each bit of a number, become 256 numbers without moving a byte. */
VECTOR_OF(u64, plane, WORDS);
VECTOR_OF(u8, numbers, LANES / 8);

VECTOR_OF(f32, eight, GROUP);
VECTOR_OF(i32, whole, GROUP);

/* Fill `cell` with where each of eight values is in the grid of a column. */
INLINE void find_cells(const f32 *x, f32 low, f32 scale, f32 top, i32 *cell)
{
    const eight raw = (LOAD(eight, x) - low) * scale;
    const whole above = (whole)(raw > 0.0f); /* a NaN is not */
    const eight from = (eight)((whole)raw & above);
    const whole within = (whole)(from < top);
    const eight at = (eight)(((whole)from & within) | ((whole)((eight){0} + top) & ~within));
    STORE(whole, cell, __builtin_convertvector(at, whole));
}

/* Set in `planes` the bit of each of eight rows, in plane r: how many edges are below its value. */
INLINE void mark_eight(const f32 *x, const i32 *cell, const u16 *cells, const f32 *edges, u32 span,
                       u32 count, u8 *planes, u8 bit)
{
    for (int k = 0; k < GROUP; k++) {
        u32 rank = cells[cell[k]];
        for (u32 half = span; half; half >>= 1)
            rank += edges[rank + half - 1] < x[k] ? half : 0;
        planes[(u64)MIN(rank, count) * sizeof(plane) + (u64)k] |= bit;
    }
}

/* The same for a whole column of a block of rows. */
INLINE void mark_column(const f32 *groups, i64 n_groups, i64 step, f32 low, f32 scale,
                        const u16 *cells, i64 n_cells, const f32 *edges, i64 span, u32 count,
                        u8 *planes)
{
    for (i64 group = 0; group < n_groups; group++) {
        const f32 *x = groups + group * step;
        i32 at[GROUP];
        find_cells(x, low, scale, (f32)(n_cells - 1), at);
        u8 *to = planes + group % 4 * GROUP;
        const u8 bit = (u8)(1 << group / 4);
        /* Few edges are in one cell: what is known need not be looped over. */
        if (span == 1)
            mark_eight(x, at, cells, edges, 1, count, to, bit);
        else if (span == 2)
            mark_eight(x, at, cells, edges, 2, count, to, bit);
        else
            mark_eight(x, at, cells, edges, (u32)span, count, to, bit);
    }
}

/* Whatever is a function of its own keeps its pointers in registers: the kernel has too many. */
#define OWN static __attribute__((noinline))

/* Keeps the loop around it from becoming vectors: single loads are faster than gathers. */
#define ONE_BY_ONE __asm__ volatile("")

/* The boundaries between the sides of the splits of one tree. */
OWN void join_splits(const u64 *restrict left, const u32 *restrict tests,
                     const u16 *restrict links, i64 count, u64 *restrict bounds)
{
    STORE(plane, bounds, ~(plane){0});
    for (i64 k = 1; k <= RUN; k++) { /* behind the last leaf, to the end of a run */
        STORE(plane, bounds + (count + k) * WORDS, (plane){0});
        ONE_BY_ONE;
    }
    for (i64 at = 0; at < count; at++, links += 3) {
        const plane low = LOAD(plane, bounds + links[0]), high = LOAD(plane, bounds + links[2]);
        STORE(plane, bounds + links[1], (low & ~LOAD(plane, left + tests[at])) | high);
    }
}

/* gcc 12 takes the number of items of a vector for the width of what is shifted. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#pragma GCC diagnostic ignored "-Wanalyzer-shift-count-overflow"
#endif

/* Swap the bits that `mask` selects `shift` places up in a for those that it selects in b. */
INLINE void swap(plane *a, plane *b, int shift, u64 mask)
{
    const plane both = ((*a >> shift) ^ *b) & mask;
    *b ^= both;
    *a ^= both << shift;
}

#define BOUNDARY(k) LOAD(plane, bounds + (k) * WORDS)

/* Fill `found` with the number of each row's leaf: boundary k says whether it is k or more. */
OWN void number_leaves(const u64 *restrict bounds, i64 leaves, u8 *restrict found)
{
    plane b0 = {0}, b1 = {0}, b2 = {0}, b3 = {0}, b4 = {0}, b5 = {0}, b6 = {0}, b7 = {0};
    for (i64 k = 0; k < leaves; k += RUN) {
        b0 ^= BOUNDARY(k + 1) ^ BOUNDARY(k + 3) ^ BOUNDARY(k + 5) ^ BOUNDARY(k + 7) ^
              BOUNDARY(k + 9) ^ BOUNDARY(k + 11) ^ BOUNDARY(k + 13) ^ BOUNDARY(k + 15);
        b1 ^= BOUNDARY(k + 2) ^ BOUNDARY(k + 6) ^ BOUNDARY(k + 10) ^ BOUNDARY(k + 14);
        b2 ^= BOUNDARY(k + 4) ^ BOUNDARY(k + 12);
        b3 ^= BOUNDARY(k + 8);
    }
    for (i64 k = RUN; k < leaves; k += 2 * RUN)
        b4 ^= BOUNDARY(k);
    for (i64 k = 2 * RUN; k < leaves; k += 4 * RUN)
        b5 ^= BOUNDARY(k);
    for (i64 k = 4 * RUN; k < leaves; k += 8 * RUN)
        b6 ^= BOUNDARY(k);
    if (leaves > 8 * RUN)
        b7 = BOUNDARY(8 * RUN);
    b6 ^= b7, b5 ^= b6, b4 ^= b5, b3 ^= b4, b2 ^= b3, b1 ^= b2, b0 ^= b1;
    const u64 fours = 0x0f0f0f0f0f0f0f0f, twos = 0x3333333333333333, ones = 0x5555555555555555;
    swap(&b0, &b4, 4, fours), swap(&b1, &b5, 4, fours);
    swap(&b2, &b6, 4, fours), swap(&b3, &b7, 4, fours);
    swap(&b0, &b2, 2, twos), swap(&b1, &b3, 2, twos);
    swap(&b4, &b6, 2, twos), swap(&b5, &b7, 2, twos);
    swap(&b0, &b1, 1, ones), swap(&b2, &b3, 1, ones);
    swap(&b4, &b5, 1, ones), swap(&b6, &b7, 1, ones);
    const plane bits[8] = {b0, b1, b2, b3, b4, b5, b6, b7};
    const u8 last = (u8)(leaves - 1);
    for (int at = 0; at < 8; at++) {
        const numbers number = (numbers)bits[at], fits = (numbers)(number < last);
        STORE(numbers, found + at * (int)sizeof(plane), (number & fits) | (~fits & last));
    }
}

/* Whether the parts of planes lead to each other, to columns and to places that there are. */
INLINE int are_planes(i64_in columns, i64_in firsts, i64_in starts, i64_in spans, f32_in lows,
                      f32_in scales, u16_rows_in cells, f32_in edges, u32_in tests,
                      u16_rows_in links, i64_in splits, f32_in groups, i64 n_columns, i64 first,
                      i64 last, u64_out planes)
{
    const i64 k = columns.size, n_trees = splits.size - 1;
    if (n_trees < 0 || splits.at[0] != 0 || splits.at[n_trees] != tests.size ||
        links.rows != tests.size || links.columns != 3)
        return 0;
    if (!are_rows(groups, n_columns, first, last, LANES))
        return 0;
    if (firsts.size != k + 1 || starts.size != k + 1 || spans.size != k || lows.size != k ||
        scales.size != k || cells.rows != k || cells.columns < 1 || cells.columns > MOST_CELLS)
        return 0;
    if (starts.at[0] != 0 || starts.at[k] > UINT32_MAX || firsts.at[0] != 0 ||
        firsts.at[k] > edges.size || planes.size < times(starts.at[k], WORDS))
        return 0;
    for (i64 j = 0; j < k; j++) {
        const i64 span = spans.at[j];
        if (columns.at[j] < 0 || columns.at[j] >= n_columns || span < 0 || span > UINT16_MAX ||
            starts.at[j + 1] <= starts.at[j] || starts.at[j + 1] > starts.at[k] ||
            firsts.at[j + 1] < firsts.at[j] || firsts.at[j + 1] > firsts.at[k])
            return 0;
        u16 most = 0;
        for (i64 cell = 0; cell < cells.columns; cell++)
            most = MAX(most, cells.at[j * cells.columns + cell]);
        /* All halves together are less than twice the first. */
        if (most + 2 * span > firsts.at[j + 1] - firsts.at[j])
            return 0;
    }
    for (i64 tree = 0; tree < n_trees; tree++)
        if (splits.at[tree] < 0 || splits.at[tree] > splits.at[tree + 1] ||
            splits.at[tree + 1] > tests.size ||
            splits.at[tree + 1] - splits.at[tree] >= MOST_LEAVES)
            return 0;
    u32 largest = 0;
    u16 furthest = 0;
    for (i64 at = 0; at < tests.size; at++)
        largest = MAX(largest, tests.at[at]);
    for (i64 at = 0; at < links.rows * 3; at++)
        furthest = MAX(furthest, links.at[at]);
    return furthest <= MOST_LEAVES * WORDS &&
           (tests.size == 0 || plus(largest, WORDS) <= planes.size);
}

/* Make every test of a block of rows. */
INLINE void mark_block(i64_in columns, i64_in firsts, i64_in starts, i64_in spans, f32_in lows,
                       f32_in scales, u16_rows_in cells, f32_in edges, i64 n_columns,
                       const f32 *block, i64 count, u64 *planes)
{
    const i64 k = columns.size;
    memset(planes, 0, (size_t)(starts.at[k] * WORDS) * sizeof *planes);
    for (i64 j = 0; j < k; j++) {
        u64 *mine = planes + starts.at[j] * WORDS;
        const i64 n_edges = starts.at[j + 1] - starts.at[j] - 1;
        mark_column(block + columns.at[j] * GROUP, in_groups(count), n_columns * GROUP, lows.at[j],
                    scales.at[j], cells.at + j * cells.columns, cells.columns,
                    edges.at + firsts.at[j], spans.at[j], (u32)n_edges, (u8 *)mine);
        /* Below an edge is what is below one before it, too. */
        plane below = {0};
        for (i64 edge = 0; edge < n_edges; edge++) {
            below |= LOAD(plane, mine + edge * WORDS);
            STORE(plane, mine + edge * WORDS, below);
        }
    }
}

#endif
