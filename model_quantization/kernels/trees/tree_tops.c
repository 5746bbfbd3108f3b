/* Where rows leave the tops of large trees: see tree_tops.py. */

#include "planes.h"

KERNEL none number_tops(
    i64_in columns, i64_in firsts, i64_in starts, i64_in spans, f32_in lows, f32_in scales,
    u16_rows_in cells, f32_in edges, u32_in tests, u16_rows_in links, i64_in splits, f32_in groups,
    i64 n_columns, i64 first, i64 last, u64_out planes, u8_rows_out tops
) {
    const i64 n_trees = splits.size - 1;
    REQUIRE(are_planes(columns, firsts, starts, spans, lows, scales, cells, edges, tests, links,
                       splits, groups, n_columns, first, last, planes));
    REQUIRE(tops.rows == n_trees && tops.columns % LANES == 0 && last - first <= tops.columns);
    u64 bounds[(MOST_LEAVES + RUN) * WORDS];
    memset(bounds, 0, sizeof bounds);
    for (i64 start = first; start < last; start += LANES) {
        mark_block(columns, firsts, starts, spans, lows, scales, cells, edges, n_columns,
                   groups.at + start * n_columns, MIN(LANES, last - start), planes.at);
        for (i64 tree = 0; tree < n_trees; tree++) {
            const i64 split = splits.at[tree], count = splits.at[tree + 1] - split;
            join_splits(planes.at, tests.at + split, links.at + split * 3, count, bounds);
            number_leaves(bounds, count + 1, tops.at + tree * tops.columns + start - first);
        }
    }
    return DONE;
}
