/* Compiled for each VALUE of f32, f64. Rows in groups of eight: see grouping.py. */

#include <math.h>

#include "walk.h"

KERNEL integer group_rows(ROWS_IN(VALUE) rows, f32_out groups, i64 doubled) {
    const i64 n = rows.rows, n_columns = rows.columns;
    const i64 n_groups = (n + GROUP - 1) / GROUP, width = n_columns * (doubled ? 2 : 1);
    REQUIRE(n_groups * width * GROUP == groups.size);
    int absent = 0, odd = 0;
    for (i64 group = 0; group < n_groups; group++) {
        const i64 count = MIN(GROUP, n - group * GROUP);
        const VALUE *from = rows.at + group * GROUP * n_columns;
        f32 *to = groups.at + group * width * GROUP, *second = to + n_columns * GROUP;
        for (i64 column = 0; column < n_columns; column++, to += GROUP, second += GROUP) {
            f32 lane[GROUP] = {0};
            if (count == GROUP)
                for (i64 k = 0; k < GROUP; k++)
                    lane[k] = (f32)from[k * n_columns + column];
            else
                for (i64 k = 0; k < count; k++)
                    lane[k] = (f32)from[k * n_columns + column];
            for (i64 k = 0; k < GROUP; k++) {
                absent |= lane[k] != lane[k];
                odd |= !(lane[k] - lane[k] == 0.0f) & (lane[k] == lane[k]);
            }
            if (doubled)
                for (i64 k = 0; k < GROUP; k++) {
                    const f32 x = lane[k];
                    second[k] = x != x ? -INFINITY : x;
                    lane[k] = x != x ? INFINITY : x;
                }
            memcpy(to, lane, sizeof lane);
        }
    }
    RETURN(absent | odd << 1);
}
