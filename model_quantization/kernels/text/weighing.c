/* Term counts to values: see term_values.py.

   Compiled for each VALUE of f32, f64. Compiled for each IDF of f32, f64.
   Compiled for each CODE of u16, u32. */

#include "norms.h"

KERNEL none weigh(
    i64_in counts, i32_in indices, i64_in rows, i64 binary, i64 sublinear, IN(VALUE) tf,
    IN(CODE) codes, IN(IDF) idf, i64 norm, OUT(VALUE) values
) {
    REQUIRE(rows.size > 0);
    const i64 n = rows.at[rows.size - 1];
    REQUIRE(0 <= n && n <= counts.size && n <= indices.size && n <= values.size);
    REQUIRE(!sublinear || tf.size > 1);
    for (i64 at = 0; at < n; at++) {
        const i64 count = binary ? 1 : counts.at[at];
        REQUIRE(!sublinear || (0 <= count && count < tf.size));
        values.at[at] = sublinear ? tf.at[count] : (VALUE)count;
        if (idf.size) {
            REQUIRE(0 <= indices.at[at] && indices.at[at] < codes.size);
            REQUIRE(codes.at[indices.at[at]] < (u64)idf.size);
            values.at[at] = (VALUE)(values.at[at] * idf.at[codes.at[indices.at[at]]]);
        }
    }
    return divide_by_norms(values, rows, norm);
}
