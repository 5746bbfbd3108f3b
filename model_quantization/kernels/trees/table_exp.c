/* CatBoost's exponential: see table_exp.py. */

#include <math.h>
#include <string.h>

#include "kernel.h"

enum { BITS = 11, STEPS = 1 << BITS };

static const f64 LOWEST = -708.39641853226408, HIGHEST = 709.78271289338397;
static const f64 PER_STEP = STEPS / 0x1.62e42fefa39efp-1; /* the logarithm of two */
static const f64 STEP = 1.0 / (STEPS / 0x1.62e42fefa39efp-1);
static const f64 ROUNDER = (f64)((i64)3 << 51); /* added and taken away it leaves a whole number */
static const u64 ADJUST = ((u64)1 << (BITS + 10)) - STEPS;

INLINE f64 exponential_of(f64 x, const u64 *table)
{
    if (x <= LOWEST)
        return 0.0;
    if (x >= HIGHEST)
        return INFINITY;
    f64 rounded = x * PER_STEP + ROUNDER;
    u64 steps;
    memcpy(&steps, &rounded, sizeof steps);
    const f64 t = (rounded - ROUNDER) * STEP - x;
    const f64 y = (3.0000000027955394 - t) * (t * t) * 0.16666666685227835064 - t + 1.0;
    const u64 bits = (((steps + ADJUST) >> BITS) << 52) | table[steps & (STEPS - 1)];
    f64 power;
    memcpy(&power, &bits, sizeof power);
    return y * power;
}

KERNEL none table_exponential(f64_out values, u64_in table) {
    REQUIRE(table.size == STEPS);
    for (i64 at = 0; at < values.size; at++)
        values.at[at] = exponential_of(values.at[at], table.at);
    return DONE;
}

KERNEL none table_shares(f64_rows_out sums, u64_in table) {
    REQUIRE(table.size == STEPS && sums.columns > 0);
    for (i64 row = 0; row < sums.rows; row++) {
        f64 *values = sums.at + row * sums.columns;
        f64 largest = values[0], total = 0.0;
        for (i64 column = 1; column < sums.columns; column++)
            largest = largest > values[column] ? largest : values[column];
        for (i64 column = 0; column < sums.columns; column++) {
            values[column] = exponential_of(values[column] - largest, table.at);
            total += values[column];
        }
        for (i64 column = 0; column < sums.columns; column++)
            values[column] /= total;
    }
    return DONE;
}
