/* Counts of hashed terms: see hash_counts.py. */

#include "terms.h"

enum { WORDS = 0, CHARACTERS = 1, INSIDE_WORDS = 2 };

SORT_ASCENDING(i64)

INLINE u32 rotated(u32 value, int bits) { return value << bits | value >> (32 - bits); }

INLINE u32 mixed(u32 value) { return rotated(value * 0xCC9E2D51u, 15) * 0x1B873593u; }

/* MurmurHash3_x86_32 with seed 0 (A. Appleby, public domain), as a signed number. */
INLINE i32 murmur_of(const u8 *data, i64 start, i64 end) {
    u32 value = 0, tail = 0;
    const i64 whole = start + (end - start) / 4 * 4;
    for (i64 at = start; at < whole; at += 4) {
        const u32 block = data[at] | (u32)data[at + 1] << 8 | (u32)data[at + 2] << 16 |
                          (u32)data[at + 3] << 24;
        value = rotated(value ^ mixed(block), 13) * 5 + 0xE6546B64u;
    }
    for (i64 at = end - 1; at >= whole; at--)
        tail = tail << 8 | data[at];
    if (end > whole)
        value ^= mixed(tail);
    value ^= (u32)(end - start);
    value = (value ^ value >> 16) * 0x85EBCA6Bu;
    value = (value ^ value >> 13) * 0xC2B2AE35u;
    return (i32)(value ^ value >> 16);
}

KERNEL integer murmur(u8_in data) { RETURN(murmur_of(data.at, 0, data.size)); }

/* Where the symbols of one document begin and end: words between spaces, or characters. A negative
   start marks the gap between two words whose characters must not be joined. */
INLINE i64 symbol_spans(
    const u8 *data, i64 start, i64 end, i64 kind, i64 *starts, i64 *ends
) {
    i64 filled = 0;
    if (kind == WORDS) {
        i64 begin = start;
        for (i64 at = start; at <= end; at++) {
            if (at == end || data[at] == ' ') {
                if (at > begin) {
                    starts[filled] = begin;
                    ends[filled++] = at;
                }
                begin = at + 1;
            }
        }
        return filled;
    }
    for (i64 at = start; at < end; at++) {
        if ((data[at] & 0xC0) == 0x80 && filled) { /* goes on with the character before */
            ends[filled - 1] = at + 1;
            continue;
        }
        if (kind == INSIDE_WORDS && data[at] == ' ' && at > start && data[at - 1] == ' ') {
            starts[filled] = -1;
            ends[filled++] = -1;
        }
        starts[filled] = at;
        ends[filled++] = at + 1;
    }
    return filled;
}

/* Append the key (twice the column, plus one for a negative hash) of every n-gram. */
INLINE i64 hash_region(
    const u8 *data, const i64 *starts, const i64 *ends, i64 first, i64 last, i64 least, i64 most,
    i64 n_columns, i64 *keys, i64 filled
) {
    for (i64 place = first; place < last; place++) {
        const i64 longest = MIN(most, last - place);
        for (i64 size = least; size <= longest; size++) {
            const i64 value = murmur_of(data, starts[place], ends[place + size - 1]);
            i64 column = (value < 0 ? -value : value) % n_columns;
            if (value == INT32_MIN) /* its magnitude overflows in the original */
                column = (INT32_MAX - (n_columns - 1)) % n_columns;
            keys[filled++] = 2 * column + (value < 0);
        }
    }
    return filled;
}

KERNEL none count_hashed(
    u8_in data, i64_in cuts, i64 kind, i64 least, i64 most, i64 n_columns, i64 is_signed,
    i32_out indices, i64_out counts, i64_out rows, i64_out starts, i64_out ends, i64_out keys,
    i64_out scratch
) {
    REQUIRE(cuts.size > 0 && rows.size == cuts.size && counts.size == indices.size);
    REQUIRE(0 < least && least <= most && 0 < n_columns && n_columns <= INT32_MAX);
    REQUIRE(ends.size == starts.size && scratch.size == keys.size);
    REQUIRE(keys.size / (most - least + 1) >= starts.size);
    i64 filled = 0;
    rows.at[0] = 0;
    for (i64 document = 0; document + 1 < cuts.size; document++) {
        const i64 start = cuts.at[document], end = cuts.at[document + 1];
        REQUIRE(0 <= start && start <= end && end <= data.size);
        REQUIRE((end - start) * (kind == INSIDE_WORDS ? 2 : 1) + 1 <= starts.size);
        const i64 symbols = symbol_spans(data.at, start, end, kind, starts.at, ends.at);
        i64 n = 0, first = 0;
        for (i64 at = 0; at <= symbols; at++) {
            if (at == symbols || starts.at[at] < 0) {
                const i64 shortest = kind == INSIDE_WORDS ? MIN(least, at - first) : least;
                n = hash_region(data.at, starts.at, ends.at, first, at, shortest, most, n_columns,
                                keys.at, n);
                first = at + 1;
            }
        }
        REQUIRE(n <= indices.size - filled);
        sort_ascending_i64(keys.at, n, scratch.at);
        i64 distinct = filled;
        for (i64 i = 0; i < n; i++) {
            const i32 column = (i32)(keys.at[i] >> 1);
            const i64 step = is_signed && keys.at[i] & 1 ? -1 : 1;
            if (distinct > filled && indices.at[distinct - 1] == column) {
                counts.at[distinct - 1] += step;
            } else {
                indices.at[distinct] = column;
                counts.at[distinct++] = step;
            }
        }
        filled = distinct;
        rows.at[document + 1] = filled;
    }
    return DONE;
}
