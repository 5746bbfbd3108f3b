/* The values of documents, row by row: see term_values.py.

   Compiled for each VALUE of f32, f64. */

#include "norms.h"

KERNEL none normalize_rows(OUT(VALUE) values, i64_in rows, i64 norm) {
    REQUIRE(rows.size > 0);
    return divide_by_norms(values, rows, norm);
}

KERNEL none keep_above(i32_out indices, OUT(VALUE) values, i64_out rows, f64 threshold) {
    REQUIRE(rows.size > 0 && indices.size == values.size);
    i64 left = 0, start = rows.at[0];
    for (i64 row = 0; row + 1 < rows.size; row++) {
        const i64 end = rows.at[row + 1];
        REQUIRE(0 <= start && start <= end && end <= values.size);
        for (i64 at = start; at < end; at++) {
            if (values.at[at] > threshold) {
                indices.at[left] = indices.at[at];
                values.at[left++] = 1;
            }
        }
        start = end;
        rows.at[row + 1] = left;
    }
    return DONE;
}
