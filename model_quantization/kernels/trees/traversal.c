/* What rows reach in each tree: see traversal.py. */

#include "walk.h"

KERNEL none payload_block(
    u64_in words, u64_in starts, u64_in banks, u32_in bases, f32_in groups, i64 n_columns,
    i64 first, i64 last, i64 shift, u32_out found, i64_out out
) {
    const i64 block = found.size, n_trees = starts.size;
    REQUIRE(are_nodes(words, starts, banks, bases, shift));
    REQUIRE(are_rows(groups, n_columns, first, last, block));
    REQUIRE(times(last, n_trees) <= out.size);
    for (i64 start = first; start < last; start += block) {
        const i64 end = MIN(start + block, last);
        for (i64 tree = 0; tree < n_trees; tree++) {
            walk_groups(words.at + banks.at[tree], starts.at[tree], bases.at[tree], groups.at,
                        n_columns, start / GROUP, (end + GROUP - 1) / GROUP, shift, found.at);
            for (i64 row = start; row < end; row++)
                out.at[row * n_trees + tree] = found.at[row - start];
        }
    }
    return DONE;
}
