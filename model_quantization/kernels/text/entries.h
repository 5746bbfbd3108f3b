/* Entries of listed weights: a channel (u8, u16 or u32) and a weight right behind it, packed. */

#ifndef ENTRIES_H
#define ENTRIES_H

#include <string.h>

#include "kernel.h"

/* As `term_values.layout_of` counts: the channel's bytes, and i8, i16, i32, f32 or f64. */
#define LAYOUT(channel_bytes, weight) ((channel_bytes) * 10 + (weight))

INLINE i64 bytes_of_entry(i64 layout) {
    static const i64 sizes[] = {1, 2, 4, 4, 8};
    const i64 channel = layout / 10, weight = layout % 10;
    if ((channel != 1 && channel != 2 && channel != 4) || weight < 0 || weight > 4)
        return 0;
    return channel + sizes[weight];
}

/* Write a channel of so many bytes; little-endian machines only, as the whole package. */
INLINE void put_channel(u8 *to, i64 channel_bytes, u32 channel) {
    memcpy(to, &channel, (size_t)channel_bytes);
}

#endif
