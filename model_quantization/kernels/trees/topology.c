/* The shape of binary trees: see topology.py. */

#include "kernel.h"

KERNEL integer expand(u8_in split, i32_out sizes, i32_out right, i32_out open_splits) {
    REQUIRE(right.size == split.size && open_splits.size >= split.size + 2);
    REQUIRE(split.size < INT32_MAX);
    const u64 n = (u64)split.size;
    for (u64 node = 0; node < n; node++)
        right.at[node] = -1;
    open_splits.at[0] = 0; /* read, but not used */
    i64 tree = 0;
    u64 start = 0, top = 1;
    /* Which of two a node is cannot be foreseen, so that nothing branches on it. */
    for (u64 node = 0; node < n; node++) {
        if (tree == sizes.size)
            RETURN(-1);
        const u64 is_split = split.at[node] != 0;
        open_splits.at[top] = (i32)node;
        const u64 parent = (u64)open_splits.at[top - 1];
        /* The leaf that ends a left side gives its parent the next node as right child. A split,
           and the last leaf of a tree, write -1 to their own place. */
        const u64 own = 0 - (is_split | (u64)(top == 1));
        const u64 at = parent ^ ((parent ^ node) & own);
        right.at[at] = (i32)((node + 1 - start) | own);
        top = top - 1 + (is_split << 1);
        if (top == 0) {
            sizes.at[tree++] = (i32)(node + 1 - start);
            start = node + 1;
            top = 1;
        }
    }
    RETURN(top == 1 && start == n ? tree : -1);
}

KERNEL none count_splits_above(u8_in split, i32_in sizes, i32_in right, i32_out depth) {
    REQUIRE(right.size == split.size && depth.size == split.size);
    i64 start = 0;
    for (i64 tree = 0; tree < sizes.size; tree++) {
        const i64 end = start + sizes.at[tree];
        REQUIRE(start < end && end <= split.size);
        depth.at[start] = 0;
        for (i64 node = start; node < end; node++)
            if (split.at[node]) {
                const i64 high = start + right.at[node];
                REQUIRE(node < high && high < end);
                depth.at[node + 1] = depth.at[high] = depth.at[node] + 1;
            }
        start = end;
    }
    return DONE;
}

KERNEL none count_leaves(u8_in split, i32_in sizes, i32_in right, i32_out leaves) {
    REQUIRE(right.size == split.size && leaves.size == split.size);
    i64 end = split.size;
    for (i64 tree = sizes.size - 1; tree >= 0; tree--) {
        const i64 start = end - sizes.at[tree];
        REQUIRE(0 <= start && start <= end);
        for (i64 node = end - 1; node >= start; node--) {
            leaves.at[node] = 1;
            if (split.at[node]) {
                const i64 high = start + right.at[node];
                REQUIRE(node < high && high < end);
                leaves.at[node] = leaves.at[node + 1] + leaves.at[high];
            }
        }
        end = start;
    }
    return DONE;
}

KERNEL integer preorder(i32_in left, i32_in right, i32_out order, i32_out stack) {
    REQUIRE(right.size == left.size && order.size == left.size && stack.size == left.size);
    i64 count = 0, top = 0, node = 0;
    for (;;) {
        if (node >= left.size || count == left.size)
            RETURN(-1);
        order.at[count++] = (i32)node;
        if (left.at[node] >= 0) {
            if (right.at[node] < 0 || top == left.size)
                RETURN(-1);
            stack.at[top++] = right.at[node];
            node = left.at[node];
        } else if (top == 0) {
            RETURN(count);
        } else {
            node = stack.at[--top];
        }
    }
}
