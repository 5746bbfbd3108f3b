/* Thresholds as ranks, leaves as distances from their siblings: see tree_pack.py. */

#include "feature_order.h"

KERNEL truth place_ranks(
    u32_in ranks, u32_in feature, i64_in sizes, i64_in starts, i64_out room, u32_out places
) {
    REQUIRE(ranks.size == feature.size && places.size == feature.size);
    REQUIRE(starts.size == sizes.size && room.size == sizes.size + 1);
    REQUIRE(first_places(feature, sizes.size, room.at));
    i64 beyond = 0;
    for (i64 position = 0; position < feature.size; position++) {
        const u32 key = feature.at[position];
        const i64 rank = ranks.at[room.at[key]++];
        beyond |= rank >= sizes.at[key];
        places.at[position] = (u32)starts.at[key] + (u32)rank;
    }
    RETURN(!beyond);
}

KERNEL integer merge_siblings(
    u32_in ids, u32_in distances, u8_in split, i64 n_rows, u32_out whole
) {
    REQUIRE(ids.size > 0 && distances.size > 0 && whole.size > 0);
    const u64 rows = (u64)n_rows;
    const u64 last = (u64)ids.size - 1, last_distance = (u64)distances.size - 1;
    const u64 last_leaf = (u64)whole.size - 1;
    u64 first = 0, second = 0;
    u8 above = 0, before = 0; /* whether the last node but one, and the last, are splits */
    /* What a node is cannot be foreseen, so that nothing branches on it. */
    for (i64 node = 0; node < split.size; node++) {
        const u8 now = split.at[node] != 0;
        const u64 is_second = above & (now ^ 1) & (before ^ 1);
        u64 far = ids.at[MIN(first - 1, last)];
        far += distances.at[MIN(second, last_distance)];
        far -= rows & (0 - (u64)(far >= rows));
        const u64 own = ids.at[MIN(first, last)];
        whole.at[MIN(first + second, last_leaf)] = (u32)(own ^ ((own ^ far) & (0 - is_second)));
        second += is_second;
        first += (u64)(now ^ 1) - is_second;
        above = before;
        before = now;
    }
    RETURN(first);
}
