/* Compiled for each ROW of f32, f64. Symmetric trees, one level of all rows at a time: see
   symmetric.py. */

#include <string.h>

#include "vectors.h"

enum { LANES = 256, STEP = 16, DEEPEST = 30 };

enum { COUNT = VECTOR_BYTES / sizeof(u32) };
VECTOR_OF(u32, bits_of, COUNT);
VECTOR_OF(f32, floats_of, COUNT);

/* The bit in the lanes of rows that are above the threshold, zero in the others. */
INLINE bits_of answered(const f32 *x, f32 threshold, u32 bit)
{
    return (bits_of)(LOAD(floats_of, x) > threshold) & bit;
}

INLINE void answer_level(u32 *leaf, const f32 *x, f32 threshold, i64 level, i64 lanes)
{
    const u32 bit = (u32)1 << level;
    for (i64 lane = 0; lane < lanes; lane += COUNT)
        STORE(bits_of, leaf + lane,
              LOAD(bits_of, leaf + lane) | answered(x + lane, threshold, bit));
}

/* Two levels at once: `leaf` is loaded and stored once for them. */
INLINE void answer_levels(u32 *leaf, const f32 *x0, f32 t0, const f32 *x1, f32 t1, i64 level,
                          i64 lanes)
{
    const u32 b0 = (u32)1 << level, b1 = (u32)2 << level;
    for (i64 lane = 0; lane < lanes; lane += COUNT)
        STORE(bits_of, leaf + lane,
              LOAD(bits_of, leaf + lane) | answered(x0 + lane, t0, b0) |
                  answered(x1 + lane, t1, b1));
}

KERNEL none sum_levels(
    ROWS_IN(ROW) rows, f32_in missing, i64_in depths, i64_in features, f32_in thresholds,
    f64_in values, i64 width, i64 first, i64 last, f32_out block, f64_out totals, f64_rows_out out
) {
    const i64 n_columns = rows.columns;
    i64 levels = 0, leaves = 0;
    for (i64 tree = 0; tree < depths.size; tree++) {
        REQUIRE(0 <= depths.at[tree] && depths.at[tree] <= DEEPEST);
        levels += depths.at[tree];
        leaves += (i64)1 << depths.at[tree];
    }
    REQUIRE(levels == features.size && levels == thresholds.size);
    REQUIRE(width > 0 && times(leaves, width) == values.size && out.columns == width);
    REQUIRE(missing.size == n_columns && 0 <= first && first <= last);
    REQUIRE(last <= rows.rows && last <= out.rows);
    REQUIRE(block.size == times(n_columns, LANES) && totals.size == times(width, LANES));
    for (i64 level = 0; level < levels; level++)
        REQUIRE(features.at[level] >= 0 && features.at[level] < n_columns);
    u32 leaf[LANES];
    memset(block.at, 0, (size_t)block.size * sizeof *block.at);
    memset(totals.at, 0, (size_t)totals.size * sizeof *totals.at);
    for (i64 start = first; start < last; start += LANES) {
        const i64 count = MIN(LANES, last - start);
        const i64 lanes = MIN(LANES, (count + STEP - 1) / STEP * STEP);
        for (i64 lane = 0; lane < count; lane++) {
            const ROW *from = rows.at + (start + lane) * n_columns;
            for (i64 column = 0; column < n_columns; column++) {
                const f32 x = (f32)from[column];
                block.at[column * LANES + lane] = x != x ? missing.at[column] : x;
            }
        }
        for (i64 k = 0; k < width; k++)
            for (i64 lane = 0; lane < count; lane++)
                totals.at[k * LANES + lane] = out.at[(start + lane) * width + k];
        i64 at = 0, base = 0;
        for (i64 tree = 0; tree < depths.size; tree++) {
            const i64 depth = depths.at[tree];
            i64 level = 0;
            memset(leaf, 0, sizeof leaf);
            for (; level + 2 <= depth; level += 2)
                answer_levels(leaf, block.at + features.at[at + level] * LANES,
                              thresholds.at[at + level],
                              block.at + features.at[at + level + 1] * LANES,
                              thresholds.at[at + level + 1], level, lanes);
            if (level < depth)
                answer_level(leaf, block.at + features.at[at + level] * LANES,
                             thresholds.at[at + level], level, lanes);
            for (i64 k = 0; k < width; k++) {
                f64 *sums = totals.at + k * LANES;
                const f64 *value = values.at + base * width + k;
                for (i64 lane = 0; lane < lanes; lane++)
                    sums[lane] += value[(i64)leaf[lane] * width];
            }
            at += depth;
            base += (i64)1 << depth;
        }
        for (i64 k = 0; k < width; k++)
            for (i64 lane = 0; lane < count; lane++)
                out.at[(start + lane) * width + k] = totals.at[k * LANES + lane];
    }
    return DONE;
}
