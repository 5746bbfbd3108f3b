/* Topics of documents: see topics.py. */

#include <math.h>

#include "kernel.h"

/* The logarithmic derivative of the gamma function (Bernardo, Algorithm AS 103), as scikit-learn
   has it. */
INLINE f64 digamma(f64 x) {
    if (x <= 1e-6)
        return -0.577215664901532860606512090082402431 - 1.0 / x;
    f64 result = 0.0;
    for (; x < 6.0; x += 1.0)
        result -= 1.0 / x;
    f64 r = 1.0 / x;
    result += log(x) - 0.5 * r;
    r = r * r;
    return result - r * (1.0 / 12.0 - r * (1.0 / 120.0 - r * (1.0 / 252.0)));
}

INLINE void fill_expected(const f64 *shares, i64 count, f64 *out) {
    f64 total = 0.0;
    for (i64 k = 0; k < count; k++)
        total += shares[k];
    const f64 whole = digamma(total);
    for (i64 k = 0; k < count; k++)
        out[k] = exp(digamma(shares[k]) - whole);
}

/* The words that a row has, and how often, at the beginning of `counts`; -1: a number below zero,
   or none. */
INLINE i64 list_words(const f64 *row, i64 width, i64 *words, f64 *counts) {
    i64 found = 0;
    for (i64 f = 0; f < width; f++) {
        if (!(row[f] >= 0.0 && row[f] - row[f] == 0.0))
            return -1;
        words[found] = f;
        counts[found] = row[f];
        found += row[f] != 0.0;
    }
    return found;
}

/* No search takes as many: a file that asks for more would never end. */
enum { MOST_TURNS = 1 << 14 };

KERNEL integer fill_topics(
    f64_rows_in rows, f64_rows_in topics, f64 prior, i64 most, f64 tolerance, f64 close,
    i64_out words, f64_out room, f64_rows_out shares
) {
    const i64 width = rows.columns, count = topics.columns;
    REQUIRE(topics.rows == width && shares.rows == rows.rows && shares.columns == count);
    REQUIRE(count > 0 && words.size == plus(width, 1));
    REQUIRE(room.size == plus(plus(width, 1), times(2, count)));
    REQUIRE(most >= 0 && most <= MOST_TURNS);
    f64 *counts = room.at, *expected = counts + width + 1, *next = expected + count;
    i64 unclear = 0;
    for (i64 i = 0; i < rows.rows; i++) {
        f64 *own = shares.at + i * count;
        const i64 found = list_words(rows.at + i * width, width, words.at, counts);
        for (i64 k = 0; k < count; k++)
            own[k] = 1.0;
        if (found < 0) {
            unclear++;
            continue;
        }
        fill_expected(own, count, expected);
        for (i64 turn = 0; turn < most; turn++) {
            for (i64 k = 0; k < count; k++)
                next[k] = 0.0;
            for (i64 w = 0; w < found; w++) {
                const f64 *topic = topics.at + words.at[w] * count;
                f64 norm = 0.0;
                for (i64 k = 0; k < count; k++)
                    norm += expected[k] * topic[k];
                const f64 part = counts[w] / (norm + 0x1p-52);
                for (i64 k = 0; k < count; k++)
                    next[k] += part * topic[k];
            }
            f64 change = 0.0;
            for (i64 k = 0; k < count; k++) {
                next[k] = expected[k] * next[k] + prior;
                change += fabs(own[k] - next[k]);
                own[k] = next[k];
            }
            change /= (f64)count;
            fill_expected(own, count, expected);
            if (!(fabs(change - tolerance) > close * tolerance)) {
                unclear++;
                break;
            }
            if (change < tolerance)
                break;
        }
        f64 total = 0.0;
        for (i64 k = 0; k < count; k++)
            total += own[k];
        for (i64 k = 0; k < count; k++)
            own[k] /= total;
    }
    RETURN(unclear);
}
