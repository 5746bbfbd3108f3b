/* Rows as a scan of known rows takes them: see queries.py. */

#include <math.h>

#include "kernel.h"

KERNEL none fill_queries(
    f64_rows_in rows, f64_in middle, f64 reach, f64 raw_reach, f64 single, f64 twofold,
    f32_rows_out queries, f32_out margins, f64_out slack
) {
    REQUIRE(rows.columns == middle.size && queries.columns == plus(rows.columns, 1));
    REQUIRE(queries.rows == rows.rows && margins.size == rows.rows && slack.size == rows.rows);
    for (i64 i = 0; i < rows.rows; i++) {
        const f64 *row = rows.at + i * rows.columns;
        f32 *query = queries.at + i * queries.columns;
        f64 raw = 0.0, own = 0.0;
        for (i64 f = 0; f < rows.columns; f++) {
            const f64 centred = row[f] - middle.at[f];
            raw += row[f] * row[f];
            own += centred * centred;
            query[f] = (f32)centred;
        }
        query[rows.columns] = 1.0f;
        const f64 far = sqrt(own) + reach, raw_far = sqrt(raw) + raw_reach;
        slack.at[i] = twofold * (raw_far * raw_far);
        margins.at[i] = (f32)(single * (far * far) + slack.at[i]);
    }
    return DONE;
}
