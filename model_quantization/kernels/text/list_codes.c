/* Stored codes to the listed form, never laid out as a matrix: see term_values.py.

   Compiled for each GAP of u16, u32. Compiled for each WEIGHT of i8, i16, i32. */

#include "entries.h"

KERNEL none list_codes(
    IN(GAP) gaps, IN(WEIGHT) codes, i64 by_term, i64 n_channels, i64 channel_bytes,
    u32_out starts, u8_out entries
) {
    const i64 n_terms = starts.size - 1, inner = by_term ? n_channels : n_terms;
    const i64 size = channel_bytes + (i64)sizeof(WEIGHT);
    REQUIRE(n_terms >= 0 && gaps.size == codes.size && (inner > 0 || !codes.size));
    REQUIRE(channel_bytes == 1 || channel_bytes == 2 || channel_bytes == 4);
    REQUIRE(entries.size == codes.size * size);
    i64 outer = 0, place = -1;
    if (by_term) {
        for (i64 k = 0; k < codes.size; k++) {
            for (place += (i64)gaps.at[k] + 1; place >= inner; place -= inner) {
                REQUIRE(outer < n_terms);
                starts.at[++outer] = (u32)k;
            }
            u8 *entry = entries.at + k * size;
            put_channel(entry, channel_bytes, (u32)place);
            memcpy(entry + channel_bytes, codes.at + k, sizeof(WEIGHT));
        }
        for (i64 term = outer; term < n_terms; term++)
            starts.at[term + 1] = (u32)codes.size;
        return DONE;
    }
    for (i64 k = 0; k < codes.size; k++) {
        place = (place + (i64)gaps.at[k] + 1) % inner;
        starts.at[place + 1]++;
    }
    i64 total = 0;
    for (i64 term = 0; term < n_terms; term++) { /* where each begins, one place further on */
        const i64 count = starts.at[term + 1];
        starts.at[term + 1] = (u32)total;
        total += count;
    }
    place = -1;
    for (i64 k = 0; k < codes.size; k++) {
        for (place += (i64)gaps.at[k] + 1; place >= inner; place -= inner)
            outer++;
        const i64 at = starts.at[place + 1];
        REQUIRE(at < codes.size && outer < n_channels);
        u8 *entry = entries.at + at * size;
        put_channel(entry, channel_bytes, (u32)outer);
        memcpy(entry + channel_bytes, codes.at + k, sizeof(WEIGHT));
        starts.at[place + 1] = (u32)at + 1;
    }
    return DONE;
}
