/* Compiled for each VALUE of f32, f64. The first row that a forest is asked: see first_row.py. */

#include "coding.h"

KERNEL integer answer_first(
    u8_in split, i32_in sizes, i32_in right, u32_in feature, f32_in threshold, u32_in payload,
    f64_in row, f64_rows_in values, i64 cycle, f64 divisor, OUT(VALUE) out
) {
    REQUIRE(right.size == split.size && threshold.size == feature.size);
    REQUIRE(cycle > 0 && out.size == times(cycle, values.columns));
    int missing = 0;
    for (i64 column = 0; column < row.size; column++) {
        const f32 x = (f32)row.at[column];
        if (!(x - x == 0.0f)) {
            if (x == x)
                RETURN(REFUSED);
            missing = 1;
        }
    }
    if (missing)
        RETURN(MISSING);
    i64 first = 0, splits = 0, leaves = 0; /* of the tree: its first node, what comes before it */
    for (i64 tree = 0; tree < sizes.size; tree++) {
        const i64 size = sizes.at[tree];
        REQUIRE(size > 0 && size % 2 == 1 && first + size <= split.size);
        REQUIRE(splits + size / 2 <= feature.size && leaves + (size + 1) / 2 <= payload.size);
        i64 node = 0, rank = 0;
        while (split.at[first + node]) {
            const i64 high = right.at[first + node], at = splits + rank;
            REQUIRE(node + 1 < high && high < size && rank < size / 2);
            REQUIRE(feature.at[at] < row.size);
            if ((f32)row.at[feature.at[at]] <= threshold.at[at]) {
                node++, rank++;
            } else {
                /* A left side of m nodes has (m - 1) / 2 splits. */
                rank += 1 + (high - node - 2) / 2;
                node = high;
            }
        }
        REQUIRE(0 <= node - rank && node - rank < (size + 1) / 2);
        const u32 found = payload.at[leaves + node - rank];
        REQUIRE(found < values.rows);
        VALUE *to = out.at + tree % cycle * values.columns;
        const f64 *added = values.at + found * values.columns;
        for (i64 column = 0; column < values.columns; column++)
            to[column] = (VALUE)((f64)to[column] + added[column]);
        first += size;
        splits += size / 2;
        leaves += (size + 1) / 2;
    }
    for (i64 column = 0; column < out.size; column++)
        out.at[column] = (VALUE)((f64)out.at[column] / divisor);
    RETURN(ANSWERED);
}
