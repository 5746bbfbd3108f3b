/* Compiled for each MASK of u32, u64. Which leaves stay when a split's test fails: see
   leaf_masks.py. */

#include "kernel.h"

KERNEL none clear_masks(u8_in split, i32_in sizes, i32_in right, OUT(MASK) masks) {
    REQUIRE(right.size == split.size);
    i64 start = 0, rank = 0;
    for (i64 tree = 0; tree < sizes.size; tree++) {
        const i64 end = start + sizes.at[tree];
        REQUIRE(start < end && end <= split.size);
        i64 first = 0; /* leaves of this tree before the current node */
        for (i64 node = start; node < end; node++) {
            if (!split.at[node]) {
                first++;
                continue;
            }
            /* Leaves of the left subtree, which has 2 n - 1 nodes: first to first + n. */
            const i64 n = (start + right.at[node] - node) / 2;
            const i64 bits = 8 * (i64)sizeof(MASK);
            REQUIRE(0 <= n && n < bits && first < bits && rank < masks.size);
            const MASK span = ((MASK)1 << n) - 1;
            masks.at[rank++] = ~(span << first);
        }
        start = end;
    }
    return DONE;
}
