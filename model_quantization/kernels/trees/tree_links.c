/* Whether links make a tree: see tree_links.py. */

#include "kernel.h"

enum { NO_CHILD = -1 };
enum { SOUND, ONE_CHILD, OUT_OF_RANGE, TWO_PARENTS, BAD_FEATURE };
enum { FAULT_BITS = 3 };

/* The first fault and, above its bits, the node that has it. */
KERNEL integer find_fault(
    i64_steps_in left, i64_steps_in right, i64_steps_in feature, i64 n_features, u8_out linked
) {
    const i64 n = left.size;
    REQUIRE(right.size == n && feature.size == n && linked.size == n);
    for (i64 node = 0; node < n; node++)
        linked.at[node] = 0;
    for (i64 node = 0; node < n; node++) {
        const i64 one = AT_STEP(i64, left, node), other = AT_STEP(i64, right, node);
        const i64 at = node << FAULT_BITS;
        if (one == NO_CHILD && other == NO_CHILD)
            continue;
        if (one == NO_CHILD || other == NO_CHILD)
            RETURN(at | ONE_CHILD);
        if (MIN(one, other) <= node || MAX(one, other) >= n)
            RETURN(at | OUT_OF_RANGE);
        if (one == other || linked.at[one] || linked.at[other])
            RETURN(at | TWO_PARENTS);
        linked.at[one] = linked.at[other] = 1;
        const i64 column = AT_STEP(i64, feature, node);
        if (column < 0 || column >= n_features)
            RETURN(at | BAD_FEATURE);
    }
    RETURN(SOUND);
}
