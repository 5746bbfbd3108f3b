/* Votes and probabilities of a machine for each pair of classes: see pair_votes.py. */

#include <math.h>

#include "kernel.h"

static const f64 LEAST = 1e-7; /* probability of a class against another */

INLINE i64 pairs_of(i64 n_classes) {
    return n_classes < 2 ? -1 : times(n_classes, n_classes - 1) / 2;
}

KERNEL none fill_pair_decisions(
    f64_rows_in sums, f64_in intercepts, i64 n_classes, f64_rows_out decisions
) {
    const i64 n_pairs = pairs_of(n_classes);
    REQUIRE(n_pairs > 0);
    const i64 width = n_classes - 1;
    REQUIRE(sums.columns == times(n_classes, width));
    REQUIRE(intercepts.size == n_pairs && decisions.columns == n_pairs);
    REQUIRE(decisions.rows == sums.rows);
    for (i64 at = 0; at < sums.rows; at++) {
        const f64 *row = sums.at + at * sums.columns;
        f64 *out = decisions.at + at * n_pairs;
        i64 pair = 0;
        for (i64 i = 0; i < n_classes; i++)
            for (i64 j = i + 1; j < n_classes; j++, pair++)
                out[pair] = row[i * width + j - 1] + row[j * width + i] + intercepts.at[pair];
    }
    return DONE;
}

KERNEL truth fill_pair_winners(
    f64_rows_in decisions, f64_in magnitudes, f64_in doubts, i64 n_classes, i64_out votes,
    i64_out winners
) {
    const i64 n_pairs = pairs_of(n_classes);
    REQUIRE(n_pairs > 0 && decisions.columns == n_pairs && doubts.size == n_pairs);
    REQUIRE(magnitudes.size == 1 || magnitudes.size == decisions.rows);
    REQUIRE(votes.size == n_classes && winners.size == decisions.rows);
    int certain = 1;
    for (i64 at = 0; at < decisions.rows; at++) {
        const f64 *row = decisions.at + at * n_pairs;
        const f64 magnitude = magnitudes.at[magnitudes.size == 1 ? 0 : at];
        for (i64 i = 0; i < n_classes; i++)
            votes.at[i] = 0;
        i64 pair = 0, best = 0;
        for (i64 i = 0; i < n_classes; i++)
            for (i64 j = i + 1; j < n_classes; j++, pair++) {
                certain &= fabs(row[pair]) > doubts.at[pair] * magnitude;
                votes.at[row[pair] > 0.0 ? i : j]++;
            }
        for (i64 i = 1; i < n_classes; i++)
            best = votes.at[i] > votes.at[best] ? i : best;
        winners.at[at] = best;
    }
    RETURN(certain);
}

/* How likely the first class of a pair is. */
INLINE f64 likely(f64 decision, f64 slope, f64 offset) {
    const f64 score = decision * slope + offset;
    const f64 found = score >= 0.0 ? exp(-score) / (1.0 + exp(-score)) : 1.0 / (1.0 + exp(score));
    return MIN(MAX(found, LEAST), 1.0 - LEAST);
}

/* The probabilities that fit those of all pairs best (Wu, Lin and Weng), as libsvm finds them. */
INLINE void couple(f64 *products, f64 *gains, i64 n, f64 *p) {
    for (i64 round = 0; round < MAX(100, n); round++) {
        f64 whole = 0.0, worst = 0.0;
        for (i64 t = 0; t < n; t++) {
            gains[t] = 0.0;
            for (i64 j = 0; j < n; j++)
                gains[t] += products[t * n + j] * p[j];
            whole += p[t] * gains[t];
        }
        for (i64 t = 0; t < n; t++)
            worst = MAX(worst, fabs(gains[t] - whole));
        if (worst < 0.005 / (f64)n)
            return;
        for (i64 t = 0; t < n; t++) {
            const f64 own = products[t * n + t], step = (whole - gains[t]) / own;
            p[t] += step;
            whole = (whole + step * (step * own + 2.0 * gains[t])) / (1.0 + step) / (1.0 + step);
            for (i64 j = 0; j < n; j++) {
                gains[j] = (gains[j] + step * products[t * n + j]) / (1.0 + step);
                p[j] /= 1.0 + step;
            }
        }
    }
}

KERNEL none fill_pair_probabilities(
    f64_rows_in decisions, f64_in slopes, f64_in offsets, i64 n_classes, f64_out room,
    f64_rows_out probabilities
) {
    const i64 n = n_classes, n_pairs = pairs_of(n_classes);
    REQUIRE(n_pairs > 0 && decisions.columns == n_pairs);
    REQUIRE(slopes.size == n_pairs && offsets.size == n_pairs);
    REQUIRE(room.size >= times(n, plus(n, 1)));
    REQUIRE(probabilities.rows == decisions.rows && probabilities.columns == n);
    f64 *products = room.at, *gains = room.at + n * n;
    for (i64 at = 0; at < decisions.rows; at++) {
        f64 *p = probabilities.at + at * n;
        for (i64 t = 0; t < n; t++) {
            p[t] = 1.0 / (f64)n;
            products[t * n + t] = 0.0;
        }
        i64 pair = 0;
        for (i64 i = 0; i < n; i++)
            for (i64 j = i + 1; j < n; j++, pair++) {
                const f64 first = likely(
                    decisions.at[at * n_pairs + pair], slopes.at[pair], offsets.at[pair]
                );
                const f64 second = 1.0 - first;
                products[i * n + i] += second * second;
                products[j * n + j] += first * first;
                products[i * n + j] = products[j * n + i] = -first * second;
            }
        couple(products, gains, n, p);
    }
    return DONE;
}
