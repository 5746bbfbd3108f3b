/* Values times rows of weights: see term_values.py. One multiplication and one addition per column
   and channel, in ascending columns, as scipy's product does it.

   Compiled for each VALUE of f32, f64. Compiled for each SCORE of f32, f64.
   Compiled for each WEIGHT of i8, i16, i32, f32, f64. */

#include "kernel.h"

KERNEL none accumulate(
    i32_in indices, IN(VALUE) values, i64_in rows, ROWS_IN(WEIGHT) weights, f64_in scale,
    ROWS_OUT(SCORE) out
) {
    const i64 channels = out.columns;
    REQUIRE(rows.size == out.rows + 1 && weights.columns == channels);
    REQUIRE(scale.size == 0 || scale.size == channels);
    for (i64 document = 0; document < out.rows; document++) {
        SCORE *scores = out.at + document * channels;
        const i64 start = rows.at[document], end = rows.at[document + 1];
        REQUIRE(0 <= start && start <= end && end <= values.size && end <= indices.size);
        for (i64 at = start; at < end; at++) {
            REQUIRE(0 <= indices.at[at] && indices.at[at] < weights.rows);
            const WEIGHT *row = weights.at + indices.at[at] * channels;
            const SCORE value = (SCORE)values.at[at];
            if (scale.size)
                for (i64 channel = 0; channel < channels; channel++)
                    scores[channel] += value * (SCORE)(scale.at[channel] * row[channel]);
            else
                for (i64 channel = 0; channel < channels; channel++)
                    scores[channel] += value * (SCORE)row[channel];
        }
    }
    return DONE;
}
