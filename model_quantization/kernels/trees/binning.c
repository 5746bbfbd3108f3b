/* Rows of float64 as columns of float32 that split the same way: see binning.py. */

#include "coding.h"
#include "vectors.h"
#include "walk.h"

enum { ROWS = 64, QUAD = 4 };
VECTOR_OF(f64, quad, QUAD);
VECTOR_OF(i64, quad_bits, QUAD);
VECTOR_OF(i32, quad_cells, QUAD);

/* Write the codes of one column of up to 64 rows, found through its grid; whether a NaN was met. */
static __attribute__((noinline)) int code_column(const f64 *rows, i64 step, i64 count, f64 low,
                                                 f64 scale, const u8 *cells, i64 n_cells,
                                                 const f64 *edges, u32 span, f32 *out, i64 stride,
                                                 i64 doubled)
{
    f64 x[ROWS];
    i32 cell[ROWS];
    quad_bits absent = {0};
    for (i64 row = 0; row < count; row++)
        x[row] = rows[row * step];
    for (i64 row = count; row < in_groups(count) * GROUP; row++)
        x[row] = low;
    const f64 top = (f64)(n_cells - 1);
    for (i64 row = 0; row < count; row += QUAD) {
        const quad given = LOAD(quad, x + row), raw = (given - low) * scale;
        absent |= given != given;
        const quad_bits above = raw > 0.0; /* a NaN is not */
        const quad from = (quad)((quad_bits)raw & above);
        const quad_bits within = from < top;
        const quad at = (quad)(((quad_bits)from & within) | ((quad_bits)((quad){0} + top) & ~within));
        STORE(quad_cells, cell + row, __builtin_convertvector(at, quad_cells));
    }
    for (i64 row = 0; row < count; row++) {
        u32 rank = cells[cell[row]];
        for (u32 half = span; half; half >>= 1)
            rank += edges[rank + half - 1] < x[row] ? half : 0;
        f32 *to = out + row / GROUP * stride + row % GROUP;
        *to = (f32)(i32)rank;
        if (doubled)
            to[doubled] = *to;
    }
    if (!(absent[0] | absent[1] | absent[2] | absent[3]))
        return 0;
    for (i64 row = 0; row < count; row++) {
        f32 *to = out + row / GROUP * stride + row % GROUP;
        if (x[row] != x[row]) {
            *to = doubled ? INFINITY : NAN;
            if (doubled)
                to[doubled] = -INFINITY;
        }
    }
    return 1;
}

/* Whether the grids of all columns, or none, lead to edges that there are. */
INLINE int are_grids(i64_in starts, f64_rows_in pivots, f64_in lows, f64_in scales, u8_rows_in cells,
                     i64_in spans)
{
    const i64 k = spans.size;
    if (lows.size != k || scales.size != k || cells.rows != k)
        return 0;
    if (!k)
        return 1;
    if (pivots.rows != k || cells.columns < 1 || cells.columns > INT32_MAX)
        return 0;
    for (i64 j = 0; j < k; j++)
        if (spans.at[j] < 0 || spans.at[j] > MOST_SPAN ||
            starts.at[j + 1] - starts.at[j] < FANOUT * FANOUT + 2 * MOST_SPAN)
            return 0;
    return 1;
}

KERNEL truth code_rows(
    f64_in rows, i64 n_features, i64_in columns, f64_in table, i64_in starts, f64_rows_in pivots,
    f64_in lows, f64_in scales, u8_rows_in cells, i64_in spans, i64 first, i64 last, f32_out out,
    i64 width, i64 doubled
) {
    const i64 stride = times(width, (doubled ? 2 : 1) * GROUP);
    REQUIRE(n_features >= 0 && 0 <= first && first <= last && times(last, n_features) <= rows.size);
    REQUIRE(columns.size <= width && times(in_groups(last), stride) <= out.size);
    REQUIRE(are_edges(columns, n_features, table, starts, pivots));
    REQUIRE(are_grids(starts, pivots, lows, scales, cells, spans) && first % GROUP == 0);
    const i64 apart = doubled ? width * GROUP : 0;
    int missing = 0;
    if (!spans.size) {
        for (i64 row = first; row < last; row++)
            missing |= code_row(rows.at + row * n_features, columns, table, starts, pivots,
                                out.at + row / GROUP * stride + row % GROUP, GROUP, apart);
        RETURN(missing);
    }
    for (i64 row = first; row < last; row += ROWS) {
        const i64 count = MIN(ROWS, last - row);
        for (i64 j = 0; j < columns.size; j++) {
            const f64 *from = rows.at + row * n_features + columns.at[j];
            f32 *to = out.at + row / GROUP * stride + j * GROUP;
            if (spans.at[j])
                missing |= code_column(from, n_features, count, lows.at[j], scales.at[j],
                                       cells.at + j * cells.columns, cells.columns,
                                       table.at + starts.at[j], (u32)spans.at[j], to, stride, apart);
            else
                for (i64 at = 0; at < count; at++)
                    missing |= code_value(from[at * n_features], j, table, starts, pivots,
                                          to + at / GROUP * stride + at % GROUP, apart);
        }
    }
    RETURN(missing);
}

KERNEL truth code_categories(
    f64_in rows, i64 n_features, i64_in columns, u8_rows_in left, u8_rows_in known,
    u8_in missing_left, i64 first, i64 last, f32_out out, i64 stride, i64 offset
) {
    const i64 k = columns.size;
    REQUIRE(n_features >= 0 && 0 <= first && first <= last && times(last, n_features) <= rows.size);
    REQUIRE(left.rows == k && known.rows == k && missing_left.size == k);
    REQUIRE(left.columns == 256 && known.columns == 256 && offset >= 0);
    REQUIRE(times(plus(offset, k), GROUP) <= stride && times(in_groups(last), stride) <= out.size);
    for (i64 j = 0; j < k; j++)
        REQUIRE(columns.at[j] >= 0 && columns.at[j] < n_features);
    for (i64 row = first; row < last; row++) {
        f32 *to = out.at + row / GROUP * stride + offset * GROUP + row % GROUP;
        for (i64 j = 0; j < k; j++, to += GROUP) {
            const f64 x = rows.at[row * n_features + columns.at[j]];
            int goes_left = missing_left.at[j] != 0;
            if (x >= 256.0)
                RETURN(0);
            if (x >= 0.0) {
                const i64 category = j * 256 + (i64)x;
                goes_left = left.at[category] ? 1 : known.at[category] ? 0 : goes_left;
            }
            *to = goes_left ? 0.0f : 1.0f;
        }
    }
    RETURN(1);
}
