/* Probabilities of scores that are known within a bound: see likelihoods.py. */

#include <math.h>

#include "kernel.h"

KERNEL integer fill_likelihoods(
    f64_rows_out scores, f64_in slack, f64 tolerance, u8_out doubtful
) {
    REQUIRE(scores.columns > 0);
    REQUIRE(slack.size == scores.rows && doubtful.size == scores.rows);
    i64 unclear = 0;
    for (i64 i = 0; i < scores.rows; i++) {
        f64 *row = scores.at + i * scores.columns, rest = 0.0;
        i64 best = 0;
        for (i64 c = 1; c < scores.columns; c++)
            best = row[c] > row[best] ? c : best;
        const f64 most = row[best];
        for (i64 c = 0; c < scores.columns; c++) {
            row[c] = exp(row[c] - most);
            rest += c == best ? 0.0 : row[c];
        }
        const f64 total = 1.0 + rest;
        for (i64 c = 0; c < scores.columns; c++)
            row[c] /= total;
        const f64 off = rest * slack.at[i] * exp(2.0 * slack.at[i]);
        doubtful.at[i] = !(off <= tolerance && slack.at[i] <= 1.0);
        unclear += doubtful.at[i];
    }
    RETURN(unclear);
}
