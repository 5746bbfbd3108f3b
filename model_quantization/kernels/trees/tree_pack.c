/* Thresholds as ranks, leaves as distances from their siblings: see tree_pack.py. */

#include "feature_order.h"

KERNEL truth place_ranks(
    u32_in ranks, u32_in feature, i64_in sizes, i64_in starts, i64_out room, u32_out places
) {
    REQUIRE(ranks.size == feature.size && places.size == feature.size);
    REQUIRE(starts.size == sizes.size && room.size == sizes.size + 1);
    REQUIRE(first_places(feature, sizes.size, room.at));
    i64 beyond = 0;
    for (i64 key = 0; key < sizes.size; key++) {
        i64 largest = INT64_MIN;
        for (i64 at = room.at[key]; at < room.at[key + 1]; at++)
            largest = MAX(largest, (i64)ranks.at[at]);
        beyond |= largest >= sizes.at[key];
    }
    if (beyond)
        RETURN(0);
    UNROLLED for (i64 position = 0; position < feature.size; position++) {
        const u32 key = feature.at[position];
        places.at[position] = (u32)starts.at[key] + ranks.at[room.at[key]++];
    }
    RETURN(1);
}

KERNEL integer merge_siblings(
    u32_in ids, u32_in distances, u8_in split, i64 n_rows, u32_out whole
) {
    i64 leaves = 0, seconds = 0;
    for (i64 node = 0; node < split.size; node++)
        leaves += split.at[node] == 0;
    for (i64 node = 2; node < split.size; node++)
        seconds += (split.at[node - 2] != 0) & (split.at[node - 1] == 0) & (split.at[node] == 0);
    /* The caller sees from the number that the parts do not fit. */
    if (ids.size != leaves - seconds + 1 || distances.size != seconds + 1)
        RETURN(leaves - seconds);
    REQUIRE(whole.size >= leaves);
    i64 end = split.size; /* of the nodes that a leaf follows: what is written there has room */
    while (end > 0 && split.at[end - 1])
        end--;
    /* What a node is cannot be foreseen, so that nothing branches on it. */
    u32 *restrict out = whole.at;
    int above = 0, before = 0; /* whether the last node but one, and the last, are splits */
    for (i64 node = 0; node < end; node++) {
        const int now = split.at[node] != 0;
        *out = (u32)(above & (before ^ 1)); /* of a leaf: whether it is the second */
        out += now ^ 1;
        above = before;
        before = now;
    }
    const u64 rows = (u64)n_rows;
    i64 first = 0;
    u64 left = 0; /* the id of the leaf before */
    for (i64 leaf = 0; leaf < leaves; leaf++) {
        const u64 is_second = whole.at[leaf], own = ids.at[first];
        u64 far = left + distances.at[leaf - first];
        far -= rows & (0 - (u64)(far >= rows));
        whole.at[leaf] = (u32)(own ^ ((own ^ far) & (0 - is_second)));
        first += 1 - (i64)is_second;
        left = own;
    }
    RETURN(leaves - seconds);
}
