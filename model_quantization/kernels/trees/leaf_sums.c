/* Compiled for each VALUE of f32, f64. What leaves add up to, tree by tree in order: see
   leaf_sums.py and single_row.py. */

#include "coding.h"
#include "walk.h"

/* Whether the table of leaves fits what is added to. */
INLINE int is_table(u32_in ends, u32_in places, IN(VALUE) values, i64 width, i64 cycle)
{
    return width > 0 && cycle > 0 && ends.size > 0 && places.size == values.size &&
           ends.at[ends.size - 1] <= (u64)values.size;
}

KERNEL none sum_block(
    u64_in words, u64_in starts, u64_in banks, u32_in bases, f32_in groups, i64 n_columns,
    i64 first, i64 last, i64 shift, u32_in ends, u32_in places, IN(VALUE) values, i64 width,
    i64 cycle, u32_out found, OUT(VALUE) out
) {
    const i64 block = found.size, columns = cycle * width;
    REQUIRE(are_nodes(words, starts, banks, bases, shift));
    REQUIRE(are_rows(groups, n_columns, first, last, block));
    REQUIRE(is_table(ends, places, values, width, cycle));
    REQUIRE(last * columns <= out.size);
    for (i64 start = first; start < last; start += block) {
        const i64 end = MIN(start + block, last);
        for (i64 tree = 0; tree < starts.size; tree++) {
            walk_groups(words.at + banks.at[tree], starts.at[tree], bases.at[tree], groups.at,
                        n_columns, start / GROUP, (end + GROUP - 1) / GROUP, shift, found.at);
            VALUE *to = out.at + start * columns + tree % cycle * width;
            if (width == 1) {
                for (i64 row = 0; row < end - start; row++, to += columns)
                    *to += values.at[found.at[row]];
            } else {
                for (i64 row = 0; row < end - start; row++, to += columns) {
                    const u64 payload = found.at[row];
                    const u32 stop = ends.at[payload + 1];
                    for (u32 e = ends.at[payload]; e < stop; e++)
                        to[places.at[e]] += values.at[e];
                }
            }
        }
    }
    return DONE;
}

/* Add what one row, its values side by side, reaches: eight trees are walked together. */
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
    f32 x[MOST_COLUMNS];
    REQUIRE(shift >= 2 && shift <= 29 && starts.size == banks.size && starts.size == bases.size);
    REQUIRE(is_table(ends, places, values, width, cycle));
    REQUIRE(out.size == cycle * width);
    if (row.size > MOST_COLUMNS)
        RETURN(REFUSED);
    int missing = 0;
    for (i64 column = 0; column < row.size; column++) {
        x[column] = (f32)row.at[column];
        if (!(x[column] - x[column] == 0.0f)) {
            if (x[column] == x[column])
                RETURN(REFUSED);
            missing = 1;
        }
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
    f32 x[MOST_COLUMNS];
    REQUIRE(shift >= 2 && shift <= 29 && starts.size == banks.size && starts.size == bases.size);
    REQUIRE(is_table(ends, places, values, width, cycle));
    REQUIRE(out.size == cycle * width);
    REQUIRE(are_edges(columns, row.size, edges, edge_starts, pivots));
    REQUIRE(columns.size <= n_columns);
    if (n_columns * (doubled ? 2 : 1) > MOST_COLUMNS)
        RETURN(REFUSED);
    x[0] = 0.0f;
    const int missing = code_row(row.at, columns, edges, edge_starts, pivots, x, 1,
                                 doubled ? n_columns : 0);
    if (missing && !doubled)
        RETURN(MISSING);
    sum_one(words, starts, banks, bases, x, shift, ends, places, values, width, cycle, out.at);
    RETURN(ANSWERED);
}
