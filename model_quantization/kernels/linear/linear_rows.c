/* Linear models answered in one call: see linear_rows.py.

   Compiled for each VALUE of f32, f64. */

#include "scores.h"

KERNEL truth fill_row_scores(
    ROWS_IN(VALUE) rows, f64_rows_in weights, f64_in bias, f64_rows_out out
) {
    REQUIRE_SCORES(out);
    RETURN(fill_scores(rows, weights, bias, out));
}

/* The largest of finite numbers: four at a time, which do not wait for each other. */
INLINE f64 largest_of(const f64 *values, i64 count) {
    f64 most[4] = {values[0], values[0], values[0], values[0]};
    i64 at = 0;
    for (; at + 4 <= count; at += 4)
        for (int k = 0; k < 4; k++)
            most[k] = MAX(values[at + k], most[k]);
    for (; at < count; at++)
        most[0] = MAX(values[at], most[0]);
    const f64 one = MAX(most[0], most[1]), other = MAX(most[2], most[3]);
    return MAX(one, other);
}

KERNEL truth fill_row_softmax(
    ROWS_IN(VALUE) rows, f64_rows_in weights, f64_in bias, f64_rows_out out
) {
    REQUIRE_SCORES(out);
    if (!fill_scores(rows, weights, bias, out))
        RETURN(0);
    for (i64 i = 0; i < out.rows; i++) {
        f64 *row = out.at + i * out.columns;
        const f64 largest = largest_of(row, out.columns);
        f64 total = 0.0;
        for (i64 c = 0; c < out.columns; c++)
            row[c] = exp(row[c] - largest);
        for (i64 c = 0; c < out.columns; c++)
            total += row[c];
        for (i64 c = 0; c < out.columns; c++)
            row[c] /= total;
    }
    RETURN(1);
}

KERNEL truth fill_row_one_vs_rest(
    ROWS_IN(VALUE) rows, f64_rows_in weights, f64_in bias, f64_rows_out scores, f64_rows_out pairs
) {
    REQUIRE_SCORES(scores);
    REQUIRE(scores.columns > 1 || (pairs.rows == rows.rows && pairs.columns == 2));
    if (!fill_scores(rows, weights, bias, scores))
        RETURN(0);
    for (i64 i = 0; i < scores.rows; i++) {
        f64 *row = scores.at + i * scores.columns, total = 0.0;
        for (i64 c = 0; c < scores.columns; c++) {
            row[c] = 1.0 / (1.0 + exp(-row[c]));
            total += row[c];
        }
        if (scores.columns == 1) {
            pairs.at[2 * i] = 1.0 - row[0];
            pairs.at[2 * i + 1] = row[0];
            continue;
        }
        for (i64 c = 0; c < scores.columns; c++)
            row[c] = total > 0.0 ? row[c] / total : 1.0 / (f64)scores.columns;
    }
    RETURN(1);
}

KERNEL truth fill_row_winners(
    ROWS_IN(VALUE) rows, f64_rows_in weights, f64_in bias, f64_rows_out scores, i64_out winners
) {
    REQUIRE_SCORES(scores);
    REQUIRE(winners.size == rows.rows);
    if (!fill_scores(rows, weights, bias, scores))
        RETURN(0);
    for (i64 i = 0; i < scores.rows; i++) {
        const f64 *row = scores.at + i * scores.columns;
        i64 best = 0;
        for (i64 c = 1; c < scores.columns; c++)
            best = row[c] > row[best] ? c : best;
        winners.at[i] = scores.columns > 1 ? best : row[0] > 0.0;
    }
    RETURN(1);
}
