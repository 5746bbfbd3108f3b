/* Values times rows of weights: see term_values.py. One multiplication and one addition per column
   and channel, in ascending columns, as scipy's product does it.

   Compiled for each VALUE of f32, f64. Compiled for each SCORE of f32, f64.
   Compiled for each WEIGHT of i8, i16, i32, f32, f64. */

#include "kernel.h"

/* Channels whose sums stay in a register for all terms of a document. */
enum { FEW = 4 };

struct terms {
    const i32 *indices;
    const VALUE *values;
    i64 count, channels;
};

/* Add some channels of a document's terms; how many is a number where it is inlined. */
INLINE void add_terms(
    struct terms terms, const WEIGHT *weights, const f64 *scale, int is_scaled, SCORE *scores,
    int some
) {
    SCORE sums[FEW];
    f64 steps[FEW];
    for (int k = 0; k < some; k++) {
        sums[k] = scores[k];
        steps[k] = is_scaled ? scale[k] : 1.0;
    }
    if (is_scaled)
        for (i64 at = 0; at < terms.count; at++) {
            const WEIGHT *row = weights + terms.indices[at] * terms.channels;
            const SCORE value = (SCORE)terms.values[at];
            for (int k = 0; k < some; k++)
                sums[k] += value * (SCORE)(steps[k] * row[k]);
        }
    else
        for (i64 at = 0; at < terms.count; at++) {
            const WEIGHT *row = weights + terms.indices[at] * terms.channels;
            const SCORE value = (SCORE)terms.values[at];
            for (int k = 0; k < some; k++)
                sums[k] += value * (SCORE)row[k];
        }
    for (int k = 0; k < some; k++)
        scores[k] = sums[k];
}

/* Add a term's row of many channels before the next one's: each row is read once. */
INLINE void add_rows(
    struct terms terms, const WEIGHT *weights, const f64 *scale, int is_scaled, SCORE *scores
) {
    for (i64 at = 0; at < terms.count; at++) {
        const WEIGHT *row = weights + terms.indices[at] * terms.channels;
        const SCORE value = (SCORE)terms.values[at];
        if (is_scaled)
            for (i64 channel = 0; channel < terms.channels; channel++)
                scores[channel] += value * (SCORE)(scale[channel] * row[channel]);
        else
            for (i64 channel = 0; channel < terms.channels; channel++)
                scores[channel] += value * (SCORE)row[channel];
    }
}

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
        u32 largest = 0; /* as unsigned, one below zero is larger than any */
        for (i64 at = start; at < end; at++)
            largest = MAX(largest, (u32)indices.at[at]);
        REQUIRE(start == end || (i64)largest < weights.rows);
        const struct terms terms = {indices.at + start, values.at + start, end - start, channels};
        const f64 *steps = scale.at;
        const int is_scaled = scale.size != 0;
        if (channels == FEW)
            add_terms(terms, weights.at, steps, is_scaled, scores, FEW);
        else if (channels < FEW)
            for (i64 k = 0; k < channels; k++)
                add_terms(terms, weights.at + k, steps + (is_scaled ? k : 0), is_scaled, scores + k, 1);
        else
            add_rows(terms, weights.at, steps, is_scaled, scores);
    }
    return DONE;
}
