/* Values as the number of thresholds below them: see binning.py. */

#ifndef CODING_H
#define CODING_H

#include <math.h>

#include "kernel.h"

enum { FANOUT = 16, MOST_SPAN = 8 };

/* What a single row got: see single_row.py. Rows of more columns are left to the batch. */
enum { ANSWERED, REFUSED, MISSING, MOST_COLUMNS = 2048 };

INLINE i64 below(const f64 *edges, f64 x)
{
    i64 count = 0;
    for (int k = 0; k < FANOUT; k++)
        count += edges[k] < x;
    return count;
}

/* How many of 256 edges are below x, the last of every 16 being a pivot. */
INLINE i64 count_below(const f64 *edges, const f64 *pivots, f64 x)
{
    const i64 run = below(pivots, x);
    /* Above the last padding x is infinite. */
    return run == FANOUT ? FANOUT * FANOUT : run * FANOUT + below(edges + run * FANOUT, x);
}

INLINE i64 search(const f64 *edges, i64 size, f64 x)
{
    const f64 *at = edges;
    while (size > 1) {
        const i64 half = size >> 1;
        at += at[half - 1] < x ? half : 0;
        size -= half;
    }
    return at - edges + (size == 1 && *at < x);
}

/* Whether every column looks at a feature that there is, and has its edges in the table. */
INLINE int are_edges(i64_in columns, i64 n_features, f64_in edges, i64_in starts,
                     f64_rows_in pivots)
{
    if (starts.size != columns.size + 1 ||
        (pivots.rows && (pivots.rows != columns.size || pivots.columns != FANOUT)))
        return 0;
    int good = 1;
    for (i64 j = 0; j < columns.size; j++) {
        const i64 size = (i64)((u64)starts.at[j + 1] - (u64)starts.at[j]);
        good &= columns.at[j] >= 0 && columns.at[j] < n_features;
        good &= starts.at[j] >= 0 && starts.at[j + 1] >= 0;
        good &= size >= (pivots.rows ? FANOUT * FANOUT : 0);
    }
    return good && starts.at[columns.size] <= edges.size;
}

/* Write the code of a value of column j; whether it is a NaN.

   `doubled` places behind its code is that of a value that is sent the other way when missing; 0:
   there is none, and NaN stays NaN. */
INLINE int code_value(f64 x, i64 j, f64_in edges, i64_in starts, f64_rows_in pivots, f32 *out,
                      i64 doubled)
{
    const i64 low = starts.at[j];
    const f32 code = (f32)(pivots.rows ? count_below(edges.at + low, pivots.at + j * FANOUT, x)
                                       : search(edges.at + low, starts.at[j + 1] - low, x));
    const int absent = x != x;
    out[0] = absent ? (doubled ? INFINITY : NAN) : code;
    if (doubled)
        out[doubled] = absent ? -INFINITY : code;
    return absent;
}

/* Write the codes of one row, `step` places apart; whether a NaN was met. */
INLINE int code_row(const f64 *row, i64_in columns, f64_in edges, i64_in starts,
                    f64_rows_in pivots, f32 *out, i64 step, i64 doubled)
{
    int missing = 0;
    for (i64 j = 0; j < columns.size; j++, out += step)
        missing |= code_value(row[columns.at[j]], j, edges, starts, pivots, out, doubled);
    return missing;
}

#endif
