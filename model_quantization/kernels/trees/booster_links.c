/* What boosters make of their sums, with the C library's exponentials: see booster_links.py.

   LightGBM and XGBoost call the same functions: the type of the sums is the type that the answer
   is worked out in. */

#include <math.h>

#include "kernel.h"

KERNEL none exponential(f64_out sums) {
    for (i64 at = 0; at < sums.size; at++)
        sums.at[at] = exp(sums.at[at]);
    return DONE;
}

KERNEL none exponential32(f32_out sums) {
    for (i64 at = 0; at < sums.size; at++)
        sums.at[at] = expf(sums.at[at]);
    return DONE;
}

KERNEL none log_one_plus_exp(f64_out sums) {
    for (i64 at = 0; at < sums.size; at++)
        sums.at[at] = log1p(exp(sums.at[at]));
    return DONE;
}

KERNEL none logistic(f64_out sums, f64 slope) {
    for (i64 at = 0; at < sums.size; at++)
        sums.at[at] = 1.0 / (1.0 + exp(-slope * sums.at[at]));
    return DONE;
}

KERNEL none normalized_exponentials(f64_rows_out sums) {
    REQUIRE(sums.columns > 0);
    for (i64 row = 0; row < sums.rows; row++) {
        f64 *values = sums.at + row * sums.columns;
        f64 largest = values[0], total = 0.0;
        for (i64 column = 1; column < sums.columns; column++)
            largest = largest > values[column] ? largest : values[column];
        for (i64 column = 0; column < sums.columns; column++) {
            values[column] = exp(values[column] - largest);
            total += values[column];
        }
        for (i64 column = 0; column < sums.columns; column++)
            values[column] /= total;
    }
    return DONE;
}

KERNEL none logistic32(f32_out sums) {
    const f32 most = 88.7f; /* what XGBoost takes the exponential of at most */
    for (i64 at = 0; at < sums.size; at++) {
        const f32 x = -sums.at[at];
        sums.at[at] = 1.0f / (expf(most < x ? most : x) + 1.0f);
    }
    return DONE;
}

KERNEL none normalized_exponentials32(f32_rows_out sums) {
    REQUIRE(sums.columns > 0);
    for (i64 row = 0; row < sums.rows; row++) {
        f32 *values = sums.at + row * sums.columns;
        f32 largest = values[0];
        f64 total = 0.0;
        for (i64 column = 1; column < sums.columns; column++)
            largest = largest > values[column] ? largest : values[column];
        for (i64 column = 0; column < sums.columns; column++) {
            values[column] = expf(values[column] - largest);
            total += (f64)values[column];
        }
        for (i64 column = 0; column < sums.columns; column++)
            values[column] /= (f32)total;
    }
    return DONE;
}

KERNEL none log_odds32(f32_out shares) {
    for (i64 at = 0; at < shares.size; at++)
        shares.at[at] = -logf(1.0f / shares.at[at] - 1.0f);
    return DONE;
}

KERNEL none logarithm32(f32_out values) {
    for (i64 at = 0; at < values.size; at++)
        values.at[at] = logf(values.at[at]);
    return DONE;
}
