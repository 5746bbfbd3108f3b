/* Compiled for each VALUE of f32, f64. Trees of at most 256 leaves as logic over planes of bits: see
   bit_planes.py. */

#include "leaf_sums.h"
#include "planes.h"
#include "votes.h"

/* Trees whose leaves are found before they are added up. */
enum { TREES = 24 };

/* Add the values of four trees to the same totals. */
OWN void add_four(VALUE *total, const VALUE *const *values, const u8 *const *found, i64 count)
{
    const VALUE *v0 = values[0], *v1 = values[1], *v2 = values[2], *v3 = values[3];
    const u8 *f0 = found[0], *f1 = found[1], *f2 = found[2], *f3 = found[3];
    for (i64 row = 0; row < count; row++) {
        VALUE sum = total[row];
        sum += v0[f0[row]];
        sum += v1[f1[row]];
        sum += v2[f2[row]];
        sum += v3[f3[row]];
        total[row] = sum;
        ONE_BY_ONE;
    }
}

OWN void add_one(VALUE *total, const VALUE *values, const u8 *found, i64 count)
{
    for (i64 row = 0; row < count; row++) {
        total[row] += values[found[row]];
        ONE_BY_ONE;
    }
}

/* Count the votes of a tree: `place` is where each of its leaves adds a one. */
OWN void vote(u8 *restrict votes, i64 width, const u8 *restrict place, const u8 *restrict found)
{
    u8 voted[LANES];
    for (i64 row = 0; row < LANES; row++) {
        voted[row] = place[found[row]];
        ONE_BY_ONE;
    }
    count_votes(votes, LANES, width, voted, LANES);
}

OWN void tell_votes(VALUE *restrict to, i64 width, u8 *restrict votes, i64 count)
{
    add_votes(to, width, votes, LANES, count);
}

OWN void add_entries(VALUE *restrict to, i64 sums, const u32 *restrict payload,
                     const u32 *restrict ends, const u32 *restrict places,
                     const VALUE *restrict values, const u8 *restrict found, i64 count)
{
    for (i64 row = 0; row < count; row++, to += sums) {
        const u64 p = payload[found[row]];
        const u32 end = ends[p + 1];
        for (u32 e = ends[p]; e < end; e++)
            to[places[e]] += values[e];
    }
}

OWN void add_entry(VALUE *restrict to, i64 sums, const u32 *restrict payload,
                   const u32 *restrict places, const VALUE *restrict values,
                   const u8 *restrict found, i64 count)
{
    for (i64 row = 0; row < count; row++, to += sums) {
        const u32 p = payload[found[row]];
        to[places[p]] += values[p];
    }
}

KERNEL none sum_planes(
    i64_in columns, i64_in firsts, i64_in starts, i64_in spans, f32_in lows, f32_in scales,
    u16_rows_in cells, f32_in edges, u32_in tests, u16_rows_in links, i64_in splits, f32_in groups,
    i64 n_columns, i64 first, i64 last, u32_in payload, IN(VALUE) leaf_values, u8_in leaf_places,
    u32_in ends, u32_in places, IN(VALUE) values, i64 width, i64 cycle, u64_out planes,
    OUT(VALUE) totals, OUT(VALUE) out
) {
    const i64 n_trees = splits.size - 1, sums = times(cycle, width);
    REQUIRE(are_planes(columns, firsts, starts, spans, lows, scales, cells, edges, tests, links,
                       splits, groups, n_columns, first, last, planes));
    REQUIRE(payload.size == plus(tests.size, n_trees));
    REQUIRE(is_table(ends, places, values, width, cycle));
    REQUIRE(width > 1 || leaf_values.size == payload.size);
    const int counted = leaf_places.size > 0;
    REQUIRE(!counted || (leaf_places.size == payload.size && cycle == 1 && width <= MOST_VOTED));
    REQUIRE(!counted || are_votes(ends, values));
    REQUIRE(times(last, sums) <= out.size && totals.size == times(cycle, LANES));
    int single = ends.at[0] == 0;
    for (i64 at = 0; at < ends.size; at++)
        single &= ends.at[at] == at;
    /* Four trees of each turn, and again four, as far as there is room. */
    const i64 together = 4 * cycle <= TREES ? TREES - TREES % (4 * cycle) : TREES;
    u64 bounds[(MOST_LEAVES + RUN) * WORDS];
    u8 found[TREES][LANES], votes[MOST_VOTED * LANES];
    memset(votes, 0, sizeof votes);
    memset(bounds, 0, sizeof bounds);
    memset(totals.at, 0, (size_t)totals.size * sizeof *totals.at);
    for (i64 start = first; start < last; start += LANES) {
        const i64 count = MIN(LANES, last - start);
        mark_block(columns, firsts, starts, spans, lows, scales, cells, edges, n_columns,
                   groups.at + start * n_columns, count, planes.at);
        if (width == 1)
            for (i64 row = 0; row < count; row++)
                for (i64 column = 0; column < cycle; column++)
                    totals.at[column * LANES + row] = out.at[(start + row) * sums + column];
        const int voted = counted && all_zero(out.at + start * sums, count * sums);
        const VALUE *value[TREES];
        const u8 *number[TREES];
        i64 unsaid = 0;
        for (i64 tree = 0; tree < n_trees; tree += together) {
            const i64 some = MIN(together, n_trees - tree);
            for (i64 at = 0; at < some; at++) {
                const i64 split = splits.at[tree + at], stop = splits.at[tree + at + 1];
                join_splits(planes.at, tests.at + split, links.at + split * 3, stop - split,
                            bounds);
                number_leaves(bounds, stop - split + 1, found[at]);
                const i64 own = split + tree + at; /* a tree has one leaf more than splits */
                VALUE *to = out.at + start * sums + (tree + at) % cycle * width;
                value[at] = width == 1 ? leaf_values.at + own : NULL;
                number[at] = found[at];
                if (voted)
                    vote(votes, width, leaf_places.at + own, found[at]);
                else if (width > 1 && single)
                    add_entry(to, sums, payload.at + own, places.at, values.at, found[at], count);
                else if (width > 1)
                    add_entries(to, sums, payload.at + own, ends.at, places.at, values.at,
                                found[at], count);
                if (voted && ++unsaid == MOST_VOTES) {
                    tell_votes(out.at + start * sums, width, votes, count);
                    unsaid = 0;
                }
            }
            for (i64 turn = 0; !voted && width == 1 && turn < MIN(cycle, some); turn++) {
                VALUE *total = totals.at + (tree + turn) % cycle * LANES;
                i64 at = turn;
                for (; at + 3 * cycle < some; at += 4 * cycle) {
                    const VALUE *v[] = {value[at], value[at + cycle], value[at + 2 * cycle],
                                        value[at + 3 * cycle]};
                    const u8 *f[] = {number[at], number[at + cycle], number[at + 2 * cycle],
                                     number[at + 3 * cycle]};
                    add_four(total, v, f, count);
                }
                for (; at < some; at += cycle)
                    add_one(total, value[at], number[at], count);
            }
        }
        if (voted)
            tell_votes(out.at + start * sums, width, votes, count);
        if (width == 1 && !voted)
            for (i64 row = 0; row < count; row++)
                for (i64 column = 0; column < cycle; column++)
                    out.at[(start + row) * sums + column] = totals.at[column * LANES + row];
    }
    return DONE;
}
