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
    const u64 n_splits = (u64)columns.size, n_leaves = (u64)payload.size;
    /* What is written to is told from what is read, or all would be read again after each write. */
    const u8 *restrict splits = split.at;
    const i32 *restrict rights = right.at;
    const u32 *restrict column_of = columns.at;
    const u32 *restrict threshold_at = thresholds.at;
    const u32 *restrict payloads = payload.at;
    struct waiting *restrict stack = (struct waiting *)scratch.at;
    stack[0] = (struct waiting){0, 0, 0, 0};
    u64 first = 0, bank = 0, base = 0, rank = 0, leaf = 0;
    for (i64 tree = 0; tree < sizes.size; tree++) {
        const u64 size = (u64)sizes.at[tree];
        const u64 stop = MIN(leaf + (size + 1) / 2, n_leaves);
        REQUIRE(leaf < stop);
        u32 least = payloads[leaf], largest = least;
        for (u64 at = leaf; at < stop; at++) {
            least = MIN(least, payloads[at]);
            largest = MAX(largest, payloads[at]);
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
        for (u64 node = 0; node < size; node++) {
            REQUIRE(top != 0 && slot <= size);
            if (splits[first + node]) {
                REQUIRE(rank < n_splits);
                /* A subtree of m nodes has (m - 1) / 2 splits. The heavier side is written first. */
                const u64 high = (u64)(i64)rights[first + node], pair = 2 + 2 * visit;
                const u64 low_splits = (high - node - 1) >> 1, high_splits = (end - high) >> 1;
                const int low_first = low_splits >= high_splits;
                const u64 link = ((u64)column_of[rank] << column_bit) | (base + pair);
                out[slot] = (link << 32) | threshold_at[rank];
                rank++;
                stack[top].slot = (u32)(pair + 1);
                stack[top].visit = (u32)(visit + 1 + (low_first ? low_splits : 0));
                stack[top].end = (u32)end;
                top++;
                slot = pair;
                visit += 1 + (low_first ? 0 : high_splits);
                end = high;
            } else {
                REQUIRE(leaf < n_leaves);
                out[slot] = ((base + slot) << 32) | QUIET_NAN | (payloads[leaf] - least);
                leaf++;
                top--;
                slot = stack[top].slot;
                visit = stack[top].visit;
                end = stack[top].end;
            }
        }
        REQUIRE(top == 0); /* all children that were linked have been written */
        first += size;
        base += size + 1;
    }
    RETURN(1);
}
