/* The nodes of a forest as words: see tree_layout.py. */

#include "walk.h"

static const u64 QUIET_NAN = 0x7fc00000;

/* A right child still to come: its slot, the splits written before it, where it ends. */
struct waiting {
    u32 slot, visit, end, unused;
} __attribute__((may_alias));

KERNEL truth write_nodes(
    u8_in split, i32_in sizes, i32_in right, u32_in columns, u32_in thresholds, u32_in payload,
    i64 shift, u64_out words, u64_out starts, u64_out banks, u32_out bases, u64_out scratch
) {
    i64 nodes = 0, most = 0;
    for (i64 tree = 0; tree < sizes.size; tree++) {
        REQUIRE(sizes.at[tree] > 0);
        nodes += sizes.at[tree];
        most = MAX(most, sizes.at[tree]);
    }
    REQUIRE(nodes == split.size && right.size == nodes && words.size == nodes + sizes.size);
    REQUIRE(thresholds.size == columns.size && columns.size + payload.size == nodes);
    REQUIRE(payload.size > 0 && shift >= 2 && shift <= 29 && most + 1 <= (i64)1 << shift);
    REQUIRE(starts.size == sizes.size && banks.size == sizes.size && bases.size == sizes.size);
    REQUIRE(scratch.size >= 2 * (most + 2));
    const u64 room = (u64)1 << shift, column_bit = (u64)shift + 3;
    const u64 last_split = (u64)MAX(columns.size - 1, 0), last_leaf = (u64)payload.size - 1;
    /* A forest of single leaves has no split: what is read for one is not used. */
    const u32 none_there[1] = {0};
    const u32 *restrict column_of = columns.size ? columns.at : none_there;
    const u32 *restrict threshold_at = columns.size ? thresholds.at : none_there;
    const u8 *restrict splits = split.at;
    const i32 *restrict rights = right.at;
    const u32 *restrict payloads = payload.at;
    struct waiting *restrict stack = (struct waiting *)scratch.at;
    stack[0] = (struct waiting){0, 0, 0, 0};
    u64 first = 0, bank = 0, base = 0, rank = 0, leaf = 0;
    for (i64 tree = 0; tree < sizes.size; tree++) {
        const u64 size = (u64)sizes.at[tree];
        const u64 stop = MIN(leaf + (size + 1) / 2, last_leaf + 1);
        REQUIRE(leaf < stop);
        u32 least = payload.at[leaf], largest = least;
        for (u64 at = leaf; at < stop; at++) {
            least = MIN(least, payload.at[at]);
            largest = MAX(largest, payload.at[at]);
        }
        if (largest - least > PAYLOAD_MASK)
            RETURN(0);
        if (base + size + 1 > room) {
            bank += base;
            base = 0;
        }
        starts.at[tree] = base;
        banks.at[tree] = bank;
        bases.at[tree] = least;
        u64 *restrict out = words.at + bank + base;
        u64 slot = 0, visit = 0, end = size, top = 1;
        /* What a node is cannot be foreseen, so that nothing branches on it: both words are made. */
        for (u64 node = 0; node < size; node++) {
            const u64 is_split = splits[first + node] != 0;
            const u64 inner = 0 - is_split;
            const u64 high = (u64)(i64)rights[first + node];
            /* A subtree of m nodes has (m - 1) / 2 splits. The heavier side is written first. */
            const u64 low_splits = (high - node - 1) >> 1, high_splits = (end - high) >> 1;
            const u64 low_first = 0 - (u64)(low_splits >= high_splits);
            const u64 pair = 2 + 2 * visit; /* where the children go */
            REQUIRE(top != 0 && slot <= size);
            stack[top].slot = (u32)(pair + 1);
            stack[top].visit = (u32)(visit + 1 + (low_splits & low_first));
            stack[top].end = (u32)end;
            const u64 link = ((u64)column_of[MIN(rank, last_split)] << column_bit) | (base + pair);
            const u64 as_split = (link << 32) | threshold_at[MIN(rank, last_split)];
            const u64 value = payloads[MIN(leaf, last_leaf)] - least;
            const u64 as_leaf = ((base + slot) << 32) | QUIET_NAN | value;
            out[slot] = as_leaf ^ ((as_leaf ^ as_split) & inner);
            const u64 under = top - 1;
            const struct waiting *next = stack + under;
            slot = next->slot ^ ((next->slot ^ pair) & inner);
            const u64 low_visit = visit + 1 + (high_splits & ~low_first);
            visit = next->visit ^ ((next->visit ^ low_visit) & inner);
            end = next->end ^ ((next->end ^ high) & inner);
            top = under + (is_split << 1);
            rank += is_split;
            leaf += 1 - is_split;
        }
        REQUIRE(top == 0); /* all children that were linked have been written */
        first += size;
        base += size + 1;
    }
    RETURN(1);
}
