/* Scores of Gaussian mixtures: see mixed.py.

   Compiled for each VALUE of f32, f64. */

#include "scores.h"
#include "winners.h"

INLINE f64 sum_of_squares(const f64 *values, i64 count) {
    numbers sum = {0};
    i64 at = 0;
    for (; at + LANES <= count; at += LANES) {
        const numbers some = LOAD(numbers, values + at);
        sum = added_product(some, some, sum);
    }
    if (at < count) {
        const numbers some = load_some(values + at, count - at);
        sum = added_product(some, some, sum);
    }
    return sum_of(sum);
}

INLINE f64 squared_length(const VALUE *row, i64 width) {
    f64 sum = 0.0;
    for (i64 f = 0; f < width; f++)
        sum += (f64)row[f] * (f64)row[f];
    return sum;
}

KERNEL integer fill_mixed(
    ROWS_IN(VALUE) rows, f64_rows_in weights, f64_in bias, f64_in constants, f64 steepest,
    f64 farthest, f64 unit, f64 least, f64_rows_out along, f64_rows_out scores, i64_out winners
) {
    const i64 count = constants.size;
    REQUIRE(along.rows > 0 && count > 0 && weights.columns == rows.columns);
    REQUIRE(bias.size == weights.rows && along.columns == weights.rows);
    REQUIRE(weights.rows > 0 && weights.rows % count == 0);
    REQUIRE(scores.rows == rows.rows && scores.columns == count && winners.size == rows.rows);
    const i64 size = weights.rows / count;
    i64 unclear = 0;
    for (i64 start = 0; start < rows.rows; start += along.rows) {
        const i64 some = MIN(along.rows, rows.rows - start);
        ROWS_IN(VALUE) block = {rows.at + start * rows.columns, some, rows.columns};
        f64_rows_out found = {along.at, some, along.columns};
        fill_scores(block, weights, bias, found);
        for (i64 i = 0; i < some; i++) {
            f64 *own = scores.at + (start + i) * count;
            for (i64 c = 0; c < count; c++)
                own[c] = constants.at[c] -
                         0.5 * sum_of_squares(along.at + i * along.columns + c * size, size);
            const VALUE *row = block.at + i * rows.columns;
            const f64 far = sqrt(squared_length(row, rows.columns)) * steepest + farthest;
            unclear +=
                !clear_winner(own, count, unit * (far * far + least), winners.at + start + i);
        }
    }
    RETURN(unclear);
}
