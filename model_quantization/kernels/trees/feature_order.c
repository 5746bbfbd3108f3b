/* Compiled for each VALUE of u8, u16, u32, u64. Values that are ordered by feature: see
   feature_order.py. */

#include "feature_order.h"

KERNEL none undo_order(IN(VALUE) values, u32_in feature, i64_out room, OUT(VALUE) placed) {
    REQUIRE(values.size == feature.size && placed.size == feature.size);
    REQUIRE(first_places(feature, room.size - 1, room.at));
    UNROLLED for (i64 position = 0; position < feature.size; position++)
        placed.at[position] = values.at[room.at[feature.at[position]]++];
    return DONE;
}
