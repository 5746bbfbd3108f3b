/* The nearest of some centres: see nearest.py.

   Compiled for each VALUE of f32, f64. */

#include "scores.h"
#include "winners.h"

INLINE f64 squared_length(const VALUE *row, i64 width) {
    numbers sum = {0};
    i64 at = 0;
    for (; at + LANES <= width; at += LANES) {
        const numbers values = load_row(row + at);
        sum = added_product(values, values, sum);
    }
    if (at < width) {
        const numbers values = load_some_of_row(row + at, width - at);
        sum = added_product(values, values, sum);
    }
    return sum_of(sum);
}

KERNEL integer fill_nearest(
    ROWS_IN(VALUE) rows, f64_rows_in weights, f64_in bias, f64 reach, f64 unit,
    f64_rows_out scores, i64_out winners
) {
    REQUIRE_SCORES(scores);
    REQUIRE(winners.size == rows.rows);
    fill_scores(rows, weights, bias, scores);
    i64 unclear = 0;
    for (i64 i = 0; i < rows.rows; i++) {
        const f64 far = sqrt(squared_length(rows.at + i * rows.columns, rows.columns)) + reach;
        unclear += !clear_winner(
            scores.at + i * scores.columns, scores.columns, unit * far * far, winners.at + i
        );
    }
    RETURN(unclear);
}
