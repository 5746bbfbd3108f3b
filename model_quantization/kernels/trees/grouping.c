/* Compiled for each VALUE of f32, f64. Rows in groups of eight: see grouping.py. */

#include <math.h>
#include <string.h>

#include "vectors.h"
#include "walk.h"

VECTOR_OF(f32, eight, 8);

/* Bit 0: one of the values is a NaN; bit 1: one is infinite. */
static int odd_values(const f32 *values, i64 count)
{
    int found = 0;
    for (i64 at = 0; at < count; at++)
        if (!(values[at] - values[at] == 0.0f))
            found |= values[at] == values[at] ? 2 : 1;
    return found;
}

/* Put infinities of either sign in place of NaN. */
static void double_group(f32 *group, f32 *second, i64 count)
{
    for (i64 at = 0; at < count; at++) {
        const f32 x = group[at];
        second[at] = x != x ? -INFINITY : x;
        group[at] = x != x ? INFINITY : x;
    }
}

KERNEL integer group_rows(ROWS_IN(VALUE) rows, f32_out groups, i64 doubled) {
    const i64 n = rows.rows, n_columns = rows.columns;
    const i64 n_groups = (n + GROUP - 1) / GROUP, width = times(n_columns, doubled ? 2 : 1);
    REQUIRE(times(n_groups, times(width, GROUP)) == groups.size);
    int found = 0;
    for (i64 group = 0; group < n_groups; group++) {
        const i64 count = MIN(GROUP, n - group * GROUP);
        const VALUE *from = rows.at + group * GROUP * n_columns;
        f32 *to = groups.at + group * width * GROUP;
        /* x - x is zero but for NaN and infinity: the sum of all says whether there is any. */
        eight odd = {0};
        if (count == GROUP) {
            for (i64 column = 0; column < n_columns; column++) {
                const VALUE *x = from + column;
                const eight lane = {(f32)x[0], (f32)x[n_columns], (f32)x[2 * n_columns],
                                    (f32)x[3 * n_columns], (f32)x[4 * n_columns],
                                    (f32)x[5 * n_columns], (f32)x[6 * n_columns],
                                    (f32)x[7 * n_columns]};
                STORE(eight, to + column * GROUP, lane);
                odd += lane - lane;
            }
        } else {
            for (i64 column = 0; column < n_columns; column++) {
                eight lane = {0};
                for (i64 k = 0; k < count; k++)
                    lane[k] = (f32)from[k * n_columns + column];
                STORE(eight, to + column * GROUP, lane);
                odd += lane - lane;
            }
        }
        const f32 sum = odd[0] + odd[1] + odd[2] + odd[3] + odd[4] + odd[5] + odd[6] + odd[7];
        const int any = !(sum == 0.0f);
        if (any)
            found |= odd_values(to, n_columns * GROUP);
        if (doubled && any)
            double_group(to, to + n_columns * GROUP, n_columns * GROUP);
        else if (doubled)
            memcpy(to + n_columns * GROUP, to, (size_t)(n_columns * GROUP) * sizeof *to);
    }
    RETURN(found);
}
