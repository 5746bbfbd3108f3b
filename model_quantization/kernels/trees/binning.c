/* Rows of float64 as columns of float32 that split the same way: see binning.py. */

#include "coding.h"
#include "walk.h"

KERNEL truth code_rows(
    f64_in rows, i64 n_features, i64_in columns, f64_in table, i64_in starts, f64_rows_in pivots,
    i64 first, i64 last, f32_out out, i64 width, i64 doubled
) {
    const i64 stride = times(width, (doubled ? 2 : 1) * GROUP);
    REQUIRE(n_features >= 0 && 0 <= first && first <= last && times(last, n_features) <= rows.size);
    REQUIRE(columns.size <= width && times(in_groups(last), stride) <= out.size);
    REQUIRE(are_edges(columns, n_features, table, starts, pivots));
    int missing = 0;
    for (i64 row = first; row < last; row++)
        missing |= code_row(rows.at + row * n_features, columns, table, starts, pivots,
                            out.at + row / GROUP * stride + row % GROUP, GROUP,
                            doubled ? width * GROUP : 0);
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
