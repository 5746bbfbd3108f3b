/* Compiled for each VALUE of f32, f64. What leaves add up to, tree by tree in order: see
   leaf_sums.py. */

#include "leaf_sums.h"
#include "votes.h"
#include "walk.h"

/* Rows of a group of eight are found together, their votes too. */
static __attribute__((noinline)) void vote(u8 *restrict votes, i64 apart, i64 width,
                                           const u32 *restrict places, const u32 *restrict found,
                                           i64 count)
{
    u8 *restrict voted = votes + width * apart;
    for (i64 row = 0; row < count; row++)
        voted[row] = (u8)places[found[row]];
    count_votes(votes, apart, width, voted, (count + VOTERS - 1) / VOTERS * VOTERS);
}

/* What the rows of groups `first` to `last` reach in one tree, from where each left its top. */
static __attribute__((noinline)) void walk_from(const u64 *nodes, const u32 *slots, const u8 *tops,
                                                u32 base, const f32 *groups, i64 n_columns,
                                                i64 first, i64 last, i64 shift, u32 *found)
{
    for (i64 group = first; group < last; group++, tops += GROUP) {
        u64 starts[GROUP], words[GROUP];
        for (int k = 0; k < GROUP; k++)
            starts[k] = slots[tops[k]];
        walk_eight(nodes, starts, groups + group * n_columns * GROUP, shift, 1, words);
        for (int k = 0; k < GROUP; k++)
            *found++ = ((u32)words[k] & PAYLOAD_MASK) + base;
    }
}

KERNEL none sum_block(
    u64_in words, u64_in starts, u64_in banks, u32_in bases, f32_in groups, i64 n_columns,
    i64 first, i64 last, i64 shift, u8_rows_in tops, u32_in slots, i64_in roots, u32_in ends, u32_in places, IN(VALUE) values, i64 width,
    i64 cycle, u32_out found, u8_out votes, OUT(VALUE) out
) {
    const i64 block = found.size, columns = times(cycle, width);
    REQUIRE(are_nodes(words, starts, banks, bases, shift));
    REQUIRE(are_rows(groups, n_columns, first, last, block));
    REQUIRE(is_table(ends, places, values, width, cycle));
    REQUIRE(times(last, columns) <= out.size);
    REQUIRE(!tops.rows || (tops.rows == starts.size && roots.size == starts.size));
    REQUIRE(!tops.rows || times(in_groups(last - first), GROUP) <= tops.columns);
    /* The counts of each column and the votes of one tree, of whole vectors of rows. */
    const i64 apart = votes.size / (width + 1) / VOTERS * VOTERS;
    REQUIRE(!votes.size || (cycle == 1 && width <= MOST_VOTED && block <= apart));
    REQUIRE(!votes.size || are_votes(ends, values));
    if (votes.size)
        memset(votes.at, 0, (size_t)votes.size);
    for (i64 start = first; start < last; start += block) {
        const i64 end = MIN(start + block, last);
        const int voted = votes.size && all_zero(out.at + start * columns, (end - start) * columns);
        i64 untold = 0;
        for (i64 tree = 0; tree < starts.size; tree++) {
            if (tops.rows)
                walk_from(words.at + banks.at[tree], slots.at + roots.at[tree],
                          tops.at + tree * tops.columns + start - first, bases.at[tree],
                          groups.at, n_columns, start / GROUP, in_groups(end), shift, found.at);
            else
                walk_groups(words.at + banks.at[tree], starts.at[tree], bases.at[tree], groups.at,
                            n_columns, start / GROUP, in_groups(end), shift, found.at);
            VALUE *to = out.at + start * columns + tree % cycle * width;
            if (voted) {
                vote(votes.at, apart, width, places.at, found.at, end - start);
                if (++untold == MOST_VOTES || tree == starts.size - 1) {
                    add_votes(to, width, votes.at, apart, end - start);
                    untold = 0;
                }
            } else if (width == 1) {
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
