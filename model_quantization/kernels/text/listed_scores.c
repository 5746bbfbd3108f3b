/* Values times the weights that are not zero: see term_values.py.

   Compiled for each VALUE of f32, f64. Compiled for each SCORE of f32, f64. */

#include "entries.h"

/* The loop for one layout of entries: a channel, and a weight right behind it. */
#define ADD_ENTRIES(CHANNEL, WEIGHT)                                                       \
    for (i64 at = start; at < end; at++) {                                                 \
        const i64 term = indices.at[at];                                                   \
        REQUIRE(0 <= term && term + 1 < starts.size);                                      \
        const i64 first = starts.at[term], last = starts.at[term + 1];                     \
        REQUIRE(first <= last && last <= count);                                           \
        const SCORE value = (SCORE)values.at[at];                                          \
        const u8 *entry = entries.at + first * (i64)(sizeof(CHANNEL) + sizeof(WEIGHT));    \
        for (i64 k = first; k < last; k++) {                                               \
            CHANNEL channel;                                                               \
            WEIGHT weight;                                                                 \
            memcpy(&channel, entry, sizeof channel);                                       \
            memcpy(&weight, entry + sizeof channel, sizeof weight);                        \
            entry += sizeof channel + sizeof weight;                                       \
            REQUIRE(channel < out.columns);                                                \
            scores[channel] += value * (scale.size ? (SCORE)(scale.at[channel] * weight)   \
                                                   : (SCORE)weight);                       \
        }                                                                                  \
    }                                                                                      \
    break

KERNEL none accumulate_listed(
    i32_in indices, IN(VALUE) values, i64_in rows, u32_in starts, u8_in entries, i64 layout,
    f64_in scale, ROWS_OUT(SCORE) out
) {
    REQUIRE(rows.size == out.rows + 1 && starts.size > 0);
    REQUIRE(scale.size == 0 || scale.size == out.columns);
    REQUIRE(bytes_of_entry(layout) > 0);
    const i64 count = entries.size / bytes_of_entry(layout);
    for (i64 document = 0; document < out.rows; document++) {
        SCORE *scores = out.at + document * out.columns;
        const i64 start = rows.at[document], end = rows.at[document + 1];
        REQUIRE(0 <= start && start <= end && end <= values.size && end <= indices.size);
        switch (layout) {
        case LAYOUT(1, 0): ADD_ENTRIES(u8, i8);
        case LAYOUT(1, 1): ADD_ENTRIES(u8, i16);
        case LAYOUT(1, 2): ADD_ENTRIES(u8, i32);
        case LAYOUT(1, 3): ADD_ENTRIES(u8, f32);
        case LAYOUT(1, 4): ADD_ENTRIES(u8, f64);
        case LAYOUT(2, 0): ADD_ENTRIES(u16, i8);
        case LAYOUT(2, 1): ADD_ENTRIES(u16, i16);
        case LAYOUT(2, 2): ADD_ENTRIES(u16, i32);
        case LAYOUT(2, 3): ADD_ENTRIES(u16, f32);
        case LAYOUT(2, 4): ADD_ENTRIES(u16, f64);
        case LAYOUT(4, 0): ADD_ENTRIES(u32, i8);
        case LAYOUT(4, 1): ADD_ENTRIES(u32, i16);
        case LAYOUT(4, 2): ADD_ENTRIES(u32, i32);
        case LAYOUT(4, 3): ADD_ENTRIES(u32, f32);
        case LAYOUT(4, 4): ADD_ENTRIES(u32, f64);
        }
    }
    return DONE;
}
