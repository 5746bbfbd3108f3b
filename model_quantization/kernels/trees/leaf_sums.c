/* Compiled for each VALUE of f32, f64. What leaves add up to, tree by tree in order: see
   leaf_sums.py. */

#include "leaf_sums.h"
#include "walk.h"

KERNEL none sum_block(
    u64_in words, u64_in starts, u64_in banks, u32_in bases, f32_in groups, i64 n_columns,
    i64 first, i64 last, i64 shift, u32_in ends, u32_in places, IN(VALUE) values, i64 width,
    i64 cycle, u32_out found, OUT(VALUE) out
) {
    const i64 block = found.size, columns = times(cycle, width);
    REQUIRE(are_nodes(words, starts, banks, bases, shift));
    REQUIRE(are_rows(groups, n_columns, first, last, block));
    REQUIRE(is_table(ends, places, values, width, cycle));
    REQUIRE(times(last, columns) <= out.size);
    for (i64 start = first; start < last; start += block) {
        const i64 end = MIN(start + block, last);
        for (i64 tree = 0; tree < starts.size; tree++) {
            walk_groups(words.at + banks.at[tree], starts.at[tree], bases.at[tree], groups.at,
                        n_columns, start / GROUP, (end + GROUP - 1) / GROUP, shift, found.at);
            VALUE *to = out.at + start * columns + tree % cycle * width;
            if (width == 1) {
                for (i64 row = 0; row < end - start; row++, to += columns)
                    *to += values.at[found.at[row]];
            } else {
                for (i64 row = 0; row < end - start; row++, to += columns) {
                    const u64 payload = found.at[row];
                    const u32 stop = ends.at[payload + 1];
                    for (u32 e = ends.at[payload]; e < stop; e++)
                        to[places.at[e]] += values.at[e];
                }
            }
        }
    }
    return DONE;
}
