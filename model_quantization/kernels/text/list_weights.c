/* Weights that are not zero, term by term: see term_values.py.

   Compiled for each WEIGHT of i8, i16, i32, f32, f64. */

#include "entries.h"

KERNEL none list_weights(
    ROWS_IN(WEIGHT) weights, i64 channel_bytes, u32_out starts, u8_out entries
) {
    REQUIRE(starts.size == weights.rows + 1);
    REQUIRE(channel_bytes == 1 || channel_bytes == 2 || channel_bytes == 4);
    const i64 size = channel_bytes + (i64)sizeof(WEIGHT), room = entries.size / size;
    i64 count = 0;
    for (i64 term = 0; term < weights.rows; term++) {
        const WEIGHT *row = weights.at + term * weights.columns;
        for (i64 channel = 0; channel < weights.columns; channel++) {
            if (row[channel] == 0)
                continue;
            REQUIRE(count < room);
            u8 *entry = entries.at + count++ * size;
            put_channel(entry, channel_bytes, (u32)channel);
            memcpy(entry + channel_bytes, row + channel, sizeof(WEIGHT));
        }
        starts.at[term + 1] = (u32)count;
    }
    return DONE;
}
