/* Compiled for each VALUE of f32, f64. Trees of at most 256 leaves as logic over planes of bits: see
   bit_planes.py. */

#include "leaf_sums.h"
#include "votes.h"

enum { GROUP = 8, LANES = 256, WORDS = LANES / 64, MOST_LEAVES = 256, MOST_CELLS = 1 << 16 };
/* Boundaries that are read at once. */
enum { RUN = 16 };
/* Trees whose leaves are found before they are added up. */
enum { TREES = 24 };

/* A bit for each row of a block, and a byte for 32 of them. Row r has bit r / 32 of byte r % 32: so
   eight planes, one for each bit of a number, become 256 numbers without moving a byte. */
VECTOR_OF(u64, plane, WORDS);
VECTOR_OF(u8, numbers, LANES / 8);

VECTOR_OF(f32, eight, GROUP);
VECTOR_OF(i32, whole, GROUP);

/* Fill `cell` with where each of eight values is in the grid of a column. */
INLINE void find_cells(const f32 *x, f32 low, f32 scale, f32 top, i32 *cell)
{
    const eight raw = (LOAD(eight, x) - low) * scale;
    const whole above = (whole)(raw > 0.0f); /* a NaN is not */
    const eight from = (eight)((whole)raw & above);
    const whole within = (whole)(from < top);
    const eight at = (eight)(((whole)from & within) | ((whole)((eight){0} + top) & ~within));
    STORE(whole, cell, __builtin_convertvector(at, whole));
}

/* Set in `planes` the bit of each of eight rows, in plane r: how many edges are below its value. */
INLINE void mark_eight(const f32 *x, const i32 *cell, const u16 *cells, const f32 *edges, u32 span,
                       u32 count, u8 *planes, u8 bit)
{
    for (int k = 0; k < GROUP; k++) {
        u32 rank = cells[cell[k]];
        for (u32 half = span; half; half >>= 1)
            rank += edges[rank + half - 1] < x[k] ? half : 0;
        planes[(u64)MIN(rank, count) * sizeof(plane) + (u64)k] |= bit;
    }
}

/* The same for a whole column of a block of rows. */
INLINE void mark_column(const f32 *groups, i64 n_groups, i64 step, f32 low, f32 scale,
                        const u16 *cells, i64 n_cells, const f32 *edges, i64 span, u32 count,
                        u8 *planes)
{
    i32 cell[LANES];
    for (i64 group = 0; group < n_groups; group++)
        find_cells(groups + group * step, low, scale, (f32)(n_cells - 1), cell + group * GROUP);
    for (i64 group = 0; group < n_groups; group++) {
        const f32 *x = groups + group * step;
        const i32 *at = cell + group * GROUP;
        u8 *to = planes + group % 4 * GROUP;
        const u8 bit = (u8)(1 << group / 4);
        /* Few edges are in one cell: what is known need not be looped over. */
        if (span == 1)
            mark_eight(x, at, cells, edges, 1, count, to, bit);
        else if (span == 2)
            mark_eight(x, at, cells, edges, 2, count, to, bit);
        else
            mark_eight(x, at, cells, edges, (u32)span, count, to, bit);
    }
}

/* Whatever is a function of its own keeps its pointers in registers: the kernel has too many. */
#define OWN static __attribute__((noinline))

/* Keeps the loop around it from becoming vectors: single loads are faster than gathers. */
#define ONE_BY_ONE __asm__ volatile("")

/* The boundaries between the sides of the splits of one tree. */
OWN void join_splits(const u64 *restrict left, const u32 *restrict tests,
                     const u16 *restrict links, i64 count, u64 *restrict bounds)
{
    STORE(plane, bounds, ~(plane){0});
    for (i64 k = 1; k <= RUN; k++) { /* behind the last leaf, to the end of a run */
        STORE(plane, bounds + (count + k) * WORDS, (plane){0});
        ONE_BY_ONE;
    }
    for (i64 at = 0; at < count; at++, links += 3) {
        const plane low = LOAD(plane, bounds + links[0]), high = LOAD(plane, bounds + links[2]);
        STORE(plane, bounds + links[1], (low & ~LOAD(plane, left + tests[at])) | high);
    }
}

/* Swap the bits that `mask` selects `shift` places up in a for those that it selects in b. */
INLINE void swap(plane *a, plane *b, int shift, u64 mask)
{
    const plane both = ((*a >> shift) ^ *b) & mask;
    *b ^= both;
    *a ^= both << shift;
}

#define BOUNDARY(k) LOAD(plane, bounds + (k) * WORDS)

/* Fill `found` with the number of each row's leaf: boundary k says whether it is k or more. */
OWN void number_leaves(const u64 *restrict bounds, i64 leaves, u8 *restrict found)
{
    plane b0 = {0}, b1 = {0}, b2 = {0}, b3 = {0}, b4 = {0}, b5 = {0}, b6 = {0}, b7 = {0};
    for (i64 k = 0; k < leaves; k += RUN) {
        b0 ^= BOUNDARY(k + 1) ^ BOUNDARY(k + 3) ^ BOUNDARY(k + 5) ^ BOUNDARY(k + 7) ^
              BOUNDARY(k + 9) ^ BOUNDARY(k + 11) ^ BOUNDARY(k + 13) ^ BOUNDARY(k + 15);
        b1 ^= BOUNDARY(k + 2) ^ BOUNDARY(k + 6) ^ BOUNDARY(k + 10) ^ BOUNDARY(k + 14);
        b2 ^= BOUNDARY(k + 4) ^ BOUNDARY(k + 12);
        b3 ^= BOUNDARY(k + 8);
    }
    for (i64 k = RUN; k < leaves; k += 2 * RUN)
        b4 ^= BOUNDARY(k);
    for (i64 k = 2 * RUN; k < leaves; k += 4 * RUN)
        b5 ^= BOUNDARY(k);
    for (i64 k = 4 * RUN; k < leaves; k += 8 * RUN)
        b6 ^= BOUNDARY(k);
    if (leaves > 8 * RUN)
        b7 = BOUNDARY(8 * RUN);
    b6 ^= b7, b5 ^= b6, b4 ^= b5, b3 ^= b4, b2 ^= b3, b1 ^= b2, b0 ^= b1;
    const u64 fours = 0x0f0f0f0f0f0f0f0f, twos = 0x3333333333333333, ones = 0x5555555555555555;
    swap(&b0, &b4, 4, fours), swap(&b1, &b5, 4, fours);
    swap(&b2, &b6, 4, fours), swap(&b3, &b7, 4, fours);
    swap(&b0, &b2, 2, twos), swap(&b1, &b3, 2, twos);
    swap(&b4, &b6, 2, twos), swap(&b5, &b7, 2, twos);
    swap(&b0, &b1, 1, ones), swap(&b2, &b3, 1, ones);
    swap(&b4, &b5, 1, ones), swap(&b6, &b7, 1, ones);
    const plane bits[8] = {b0, b1, b2, b3, b4, b5, b6, b7};
    const u8 last = (u8)(leaves - 1);
    for (int at = 0; at < 8; at++) {
        const numbers number = (numbers)bits[at], fits = (numbers)(number < last);
        STORE(numbers, found + at * (int)sizeof(plane), (number & fits) | (~fits & last));
    }
}

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
    const i64 k = columns.size, n_trees = splits.size - 1, sums = times(cycle, width);
    REQUIRE(n_trees >= 0 && splits.at[0] == 0 && splits.at[n_trees] == tests.size);
    REQUIRE(links.rows == tests.size && links.columns == 3);
    REQUIRE(payload.size == plus(tests.size, n_trees));
    REQUIRE(is_table(ends, places, values, width, cycle));
    REQUIRE(width > 1 || leaf_values.size == payload.size);
    const int counted = leaf_places.size > 0;
    REQUIRE(!counted || (leaf_places.size == payload.size && cycle == 1 && width <= MOST_VOTED));
    REQUIRE(!counted || are_votes(ends, values));
    REQUIRE(n_columns >= 0 && 0 <= first && first <= last && first % GROUP == 0);
    REQUIRE(times(plus(last, GROUP - 1) / GROUP, times(GROUP, n_columns)) <= groups.size);
    REQUIRE(times(last, sums) <= out.size && totals.size == times(cycle, LANES));
    REQUIRE(firsts.size == k + 1 && starts.size == k + 1 && spans.size == k);
    REQUIRE(lows.size == k && scales.size == k && cells.rows == k);
    REQUIRE(cells.columns > 0 && cells.columns <= MOST_CELLS);
    REQUIRE(starts.at[0] == 0 && starts.at[k] <= UINT32_MAX);
    REQUIRE(firsts.at[0] == 0 && firsts.at[k] <= edges.size);
    REQUIRE(planes.size >= times(starts.at[k], WORDS));
    for (i64 j = 0; j < k; j++) {
        const i64 span = spans.at[j];
        REQUIRE(columns.at[j] >= 0 && columns.at[j] < n_columns);
        REQUIRE(starts.at[j + 1] > starts.at[j] && starts.at[j + 1] <= starts.at[k]);
        REQUIRE(firsts.at[j + 1] >= firsts.at[j] && firsts.at[j + 1] <= firsts.at[k]);
        REQUIRE(span >= 0 && span <= UINT16_MAX);
        u16 most = 0;
        for (i64 cell = 0; cell < cells.columns; cell++)
            most = MAX(most, cells.at[j * cells.columns + cell]);
        /* All halves together are less than twice the first. */
        REQUIRE(most + 2 * span <= firsts.at[j + 1] - firsts.at[j]);
    }
    for (i64 tree = 0; tree < n_trees; tree++) {
        REQUIRE(0 <= splits.at[tree] && splits.at[tree] <= splits.at[tree + 1]);
        REQUIRE(splits.at[tree + 1] <= tests.size);
        REQUIRE(splits.at[tree + 1] - splits.at[tree] < MOST_LEAVES);
    }
    u32 largest = 0;
    u16 furthest = 0;
    for (i64 at = 0; at < tests.size; at++)
        largest = MAX(largest, tests.at[at]);
    for (i64 at = 0; at < links.rows * 3; at++)
        furthest = MAX(furthest, links.at[at]);
    REQUIRE(tests.size == 0 || plus(largest, WORDS) <= planes.size);
    REQUIRE(furthest <= MOST_LEAVES * WORDS);
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
        const i64 count = MIN(LANES, last - start), n_groups = (count + GROUP - 1) / GROUP;
        const f32 *block = groups.at + start * n_columns;
        memset(planes.at, 0, (size_t)(starts.at[k] * WORDS) * sizeof *planes.at);
        for (i64 j = 0; j < k; j++) {
            u64 *mine = planes.at + starts.at[j] * WORDS;
            const i64 n_edges = starts.at[j + 1] - starts.at[j] - 1;
            mark_column(block + columns.at[j] * GROUP, n_groups, n_columns * GROUP, lows.at[j],
                        scales.at[j], cells.at + j * cells.columns, cells.columns,
                        edges.at + firsts.at[j], spans.at[j], (u32)n_edges, (u8 *)mine);
            /* Below an edge is what is below one before it, too. */
            plane below = {0};
            for (i64 edge = 0; edge < n_edges; edge++) {
                below |= LOAD(plane, mine + edge * WORDS);
                STORE(plane, mine + edge * WORDS, below);
            }
        }
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
                value[at] = leaf_values.at + own;
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
