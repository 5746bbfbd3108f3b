/* Compiled for each MASK of u32, u64. Compiled for each VALUE of f32, f64. Trees of at most 64
   leaves as bit masks: see quickscorer.py. */

#include <string.h>

#include "vectors.h"

enum { GROUP = 8, LANES = 256, STEP = 64 };

/* Masks of 64 bits are kept as two halves, so that a comparison need not be widened. */
enum { COUNT = VECTOR_BYTES / sizeof(u32), HALVES = sizeof(MASK) / sizeof(u32) };
VECTOR_OF(u32, bits_of, COUNT);
VECTOR_OF(f32, floats_of, COUNT);

/* Clear the leaves that `splits` splits rule out; `alive` is loaded and stored once for them. */
INLINE void clear(u32 alive[HALVES][LANES], const f32 *const *x, const f32 *t, const MASK *m,
                  int splits, i64 lanes)
{
    for (i64 lane = 0; lane < lanes; lane += COUNT) {
        bits_of left[HALVES];
        for (int half = 0; half < HALVES; half++)
            left[half] = LOAD(bits_of, alive[half] + lane);
        for (int k = 0; k < splits; k++) {
            const bits_of goes_left = (bits_of)(LOAD(floats_of, x[k] + lane) <= t[k]);
            for (int half = 0; half < HALVES; half++)
                left[half] &= goes_left | (u32)((u64)m[k] >> 32 * half);
        }
        for (int half = 0; half < HALVES; half++)
            STORE(bits_of, alive[half] + lane, left[half]);
    }
}

/* The first leaf of a row that is left. */
INLINE int lowest(u32 alive[HALVES][LANES], i64 lane)
{
    u64 left = alive[0][lane];
    if (HALVES == 2)
        left |= (u64)alive[HALVES - 1][lane] << 32;
    return __builtin_ctzll(left);
}

KERNEL none sum_masked(
    i32_in features, f32_in thresholds, IN(MASK) masks, i64_in splits, i64_in leaves, f32_in rows,
    i64 n_features, i64 first, i64 last, u32_in payload, IN(VALUE) leaf_values, u32_in ends,
    u32_in places, IN(VALUE) values, i64 width, i64 cycle, f32_out block, OUT(VALUE) totals,
    OUT(VALUE) out
) {
    const i64 columns = times(cycle, width), n_trees = splits.size - 1;
    REQUIRE(n_trees >= 0 && leaves.size == splits.size && width > 0 && cycle > 0);
    REQUIRE(thresholds.size == features.size && masks.size == features.size);
    REQUIRE(splits.at[0] == 0 && splits.at[n_trees] == features.size);
    REQUIRE(leaves.at[0] == 0 && leaves.at[n_trees] == payload.size);
    REQUIRE(width > 1 || leaf_values.size == payload.size);
    REQUIRE(ends.size > 0 && places.size == values.size);
    REQUIRE(n_features >= 0 && 0 <= first && first <= last && first % GROUP == 0);
    REQUIRE(times(plus(last, GROUP - 1) / GROUP, times(GROUP, n_features)) <= rows.size);
    REQUIRE(times(last, columns) <= out.size);
    REQUIRE(block.size == times(n_features, LANES) && totals.size == times(cycle, LANES));
    for (i64 at = 0; at < features.size; at++)
        REQUIRE(features.at[at] >= 0 && features.at[at] < n_features);
    u32 alive[HALVES][LANES];
    memset(block.at, 0, (size_t)block.size * sizeof *block.at);
    memset(totals.at, 0, (size_t)totals.size * sizeof *totals.at);
    for (i64 start = first; start < last; start += LANES) {
        const i64 count = MIN(LANES, last - start);
        const i64 lanes = MIN(LANES, (count + STEP - 1) / STEP * STEP);
        for (i64 lane = 0; lane < count; lane += GROUP) {
            const f32 *from = rows.at + (start + lane) * n_features;
            for (i64 feature = 0; feature < n_features; feature++)
                memcpy(block.at + feature * LANES + lane, from + feature * GROUP,
                       GROUP * sizeof *from);
        }
        if (width == 1)
            for (i64 row = 0; row < count; row++)
                for (i64 column = 0; column < cycle; column++)
                    totals.at[column * LANES + row] = out.at[(start + row) * columns + column];
        i64 turn = 0;
        for (i64 tree = 0; tree < n_trees; tree++) {
            i64 at = splits.at[tree];
            const i64 end = splits.at[tree + 1], leaf = leaves.at[tree];
            memset(alive, 0xff, sizeof alive);
            const f32 *x[4];
            for (; at + 4 <= end; at += 4) {
                for (int k = 0; k < 4; k++)
                    x[k] = block.at + (i64)features.at[at + k] * LANES;
                clear(alive, x, thresholds.at + at, masks.at + at, 4, lanes);
            }
            for (; at < end; at++) {
                x[0] = block.at + (i64)features.at[at] * LANES;
                clear(alive, x, thresholds.at + at, masks.at + at, 1, lanes);
            }
            if (width == 1) {
                VALUE *sums = totals.at + turn * LANES;
                const VALUE *value = leaf_values.at + leaf;
                for (i64 lane = 0; lane < lanes; lane++)
                    sums[lane] += value[lowest(alive, lane)];
            } else {
                VALUE *to = out.at + start * columns + turn * width;
                for (i64 row = 0; row < count; row++, to += columns) {
                    const u64 p = payload.at[leaf + lowest(alive, row)];
                    const u32 stop = ends.at[p + 1];
                    for (u32 e = ends.at[p]; e < stop; e++)
                        to[places.at[e]] += values.at[e];
                }
            }
            turn = turn + 1 == cycle ? 0 : turn + 1;
        }
        if (width == 1)
            for (i64 row = 0; row < count; row++)
                for (i64 column = 0; column < cycle; column++)
                    out.at[(start + row) * columns + column] = totals.at[column * LANES + row];
    }
    return DONE;
}
