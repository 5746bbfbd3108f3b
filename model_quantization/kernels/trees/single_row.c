/* Compiled for each VALUE of f32, f64. One row, start to finish in one call: see single_row.py. */

#include "coding.h"
#include "leaf_sums.h"
#include "walk.h"

/* Add what one row, its values `ROW_STEP` apart, reaches: eight trees are walked together. */
INLINE void sum_one(u64_in words, u64_in starts, u64_in banks, u32_in bases, const f32 *row,
                    i64 shift, u32_in ends, u32_in places, IN(VALUE) values, i64 width, i64 cycle,
                    VALUE *out)
{
    i64 turn = 0;
    for (i64 tree = 0; tree < starts.size; tree += GROUP) {
        const i64 count = MIN(GROUP, starts.size - tree);
        u64 found[GROUP];
        if (count == GROUP && banks.at[tree] == banks.at[tree + GROUP - 1])
            walk_eight(words.at + banks.at[tree], starts.at + tree, row, shift, 0, found);
        else
            for (i64 k = 0; k < count; k++)
                found[k] = walk_one(words.at + banks.at[tree + k], starts.at[tree + k], row, shift);
        for (i64 k = 0; k < count; k++) {
            const u64 payload = ((u32)found[k] & PAYLOAD_MASK) + bases.at[tree + k];
            VALUE *to = out + turn * width;
            const u32 stop = ends.at[payload + 1];
            for (u32 e = ends.at[payload]; e < stop; e++)
                to[places.at[e]] += values.at[e];
            turn = turn + 1 == cycle ? 0 : turn + 1;
        }
    }
}

KERNEL integer answer_one(
    u64_in words, u64_in starts, u64_in banks, u32_in bases, f64_in row, i64 shift, u32_in ends,
    u32_in places, IN(VALUE) values, i64 width, i64 cycle, f64 divisor, OUT(VALUE) out
) {
    f32 x[MOST_COLUMNS * ROW_STEP];
    REQUIRE(shift >= 2 && shift <= 29 && starts.size == banks.size && starts.size == bases.size);
    REQUIRE(is_table(ends, places, values, width, cycle));
    REQUIRE(out.size == times(cycle, width));
    if (row.size > MOST_COLUMNS)
        RETURN(REFUSED);
    int missing = 0;
    for (i64 column = 0; column < row.size; column++) {
        const f32 value = (f32)row.at[column];
        if (!(value - value == 0.0f)) {
            if (value == value)
                RETURN(REFUSED);
            missing = 1;
        }
        x[column * ROW_STEP] = value;
    }
    if (missing)
        RETURN(MISSING);
    sum_one(words, starts, banks, bases, x, shift, ends, places, values, width, cycle, out.at);
    for (i64 column = 0; column < out.size; column++)
        out.at[column] = (VALUE)(out.at[column] / divisor);
    RETURN(ANSWERED);
}

KERNEL integer answer_one_coded(
    u64_in words, u64_in starts, u64_in banks, u32_in bases, f64_in row, i64_in columns,
    f64_in edges, i64_in edge_starts, f64_rows_in pivots, i64 n_columns, i64 doubled, i64 shift,
    u32_in ends, u32_in places, IN(VALUE) values, i64 width, i64 cycle, OUT(VALUE) out
) {
    f32 x[MOST_COLUMNS * ROW_STEP];
    REQUIRE(shift >= 2 && shift <= 29 && starts.size == banks.size && starts.size == bases.size);
    REQUIRE(is_table(ends, places, values, width, cycle));
    REQUIRE(out.size == times(cycle, width));
    REQUIRE(are_edges(columns, row.size, edges, edge_starts, pivots));
    REQUIRE(columns.size <= n_columns);
    if (times(n_columns, doubled ? 2 : 1) > MOST_COLUMNS)
        RETURN(REFUSED);
    x[0] = 0.0f;
    const int missing = code_row(row.at, columns, edges, edge_starts, pivots, x, ROW_STEP,
                                 doubled ? n_columns * ROW_STEP : 0);
    if (missing && !doubled)
        RETURN(MISSING);
    sum_one(words, starts, banks, bases, x, shift, ends, places, values, width, cycle, out.at);
    RETURN(ANSWERED);
}
