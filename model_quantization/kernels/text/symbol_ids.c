/* Documents to the numbers of their symbols: see symbol_ids.py. */

#include "terms.h"

/* Writes one symbol, unless it is a stop word. */
#define PUT_SYMBOL(symbol)                                                          \
    do {                                                                            \
        const i64 found_ = (symbol);                                                \
        if (found_ < 0 || found_ >= n_stop) {                                       \
            REQUIRE(filled < ids.size);                                             \
            ids.at[filled++] = (i32)(found_ < 0 ? UNKNOWN : found_ - n_stop);       \
        }                                                                           \
    } while (0)

KERNEL none word_ids(
    u8_in data, i64_in cuts, u8_in bits, i64 shortest, u8_in blob, i32_in offsets, u32_in table,
    i64 n_stop, i32_out ids, i64_out id_cuts
) {
    REQUIRE(cuts.size > 0 && id_cuts.size == cuts.size);
    REQUIRE(IS_POWER_OF_TWO(table.size) && offsets.size > 0 && n_stop >= 0);
    i64 filled = 0;
    for (i64 document = 0; document + 1 < cuts.size; document++) {
        id_cuts.at[document] = filled;
        i64 at = cuts.at[document], start = at, length = 0;
        const i64 end = cuts.at[document + 1];
        REQUIRE(0 <= at && at <= end && end <= data.size);
        u32 value = FNV_START;
        while (at <= end) {
            int inside = 0;
            i64 step = 1;
            if (at < end) {
                u32 code = data.at[at];
                if (code >= 0xC0) {
                    step = code >= 0xF0 ? 4 : code >= 0xE0 ? 3 : 2;
                    REQUIRE(end - at >= step);
                    code &= 0xFFu >> (step + 1);
                    for (i64 k = 1; k < step; k++)
                        code = code << 6 | (data.at[at + k] & 63u);
                }
                REQUIRE(code >> 3 < (u64)bits.size);
                inside = bits.at[code >> 3] >> (code & 7) & 1;
            }
            if (inside) {
                if (!length) {
                    start = at;
                    value = FNV_START;
                }
                length++;
                for (i64 k = 0; k < step; k++)
                    value = hashed_with(value, data.at[at + k]);
            } else {
                if (length >= shortest && length)
                    PUT_SYMBOL(symbol_of(data.at, start, at, value, blob, offsets, table));
                length = 0;
            }
            at += step;
        }
    }
    id_cuts.at[cuts.size - 1] = filled;
    return DONE;
}

KERNEL none token_ids(
    u8_in data, i64_in cuts, u8_in blob, i32_in offsets, u32_in table, i64 n_stop, i32_out ids,
    i64_out id_cuts
) {
    REQUIRE(cuts.size > 0 && id_cuts.size == cuts.size);
    REQUIRE(IS_POWER_OF_TWO(table.size) && offsets.size > 0 && n_stop >= 0);
    i64 filled = 0;
    for (i64 document = 0; document + 1 < cuts.size; document++) {
        id_cuts.at[document] = filled;
        i64 start = cuts.at[document];
        const i64 end = cuts.at[document + 1];
        REQUIRE(0 <= start && start <= end && end <= data.size);
        u32 value = FNV_START;
        for (i64 at = start; at <= end; at++) {
            if (at < end && data.at[at]) {
                value = hashed_with(value, data.at[at]);
                continue;
            }
            if (at > start)
                PUT_SYMBOL(symbol_of(data.at, start, at, value, blob, offsets, table));
            start = at + 1;
            value = FNV_START;
        }
    }
    id_cuts.at[cuts.size - 1] = filled;
    return DONE;
}

KERNEL none character_ids(
    u32_in codes, i64_in cuts, u16_in pages, i32_in symbols, i64 words, i32_out ids,
    i64_out id_cuts
) {
    REQUIRE(cuts.size > 0 && id_cuts.size == cuts.size);
    i64 filled = 0;
    for (i64 document = 0; document + 1 < cuts.size; document++) {
        id_cuts.at[document] = filled;
        const i64 start = cuts.at[document], end = cuts.at[document + 1];
        REQUIRE(0 <= start && start <= end && end <= codes.size);
        REQUIRE(filled + (end - start) * (words ? 2 : 1) <= ids.size);
        u32 before = 0;
        for (i64 at = start; at < end; at++) {
            const u32 code = codes.at[at];
            if (words && code == ' ' && before == ' ')
                ids.at[filled++] = EDGE;
            REQUIRE(code >> 8 < (u64)pages.size);
            const i64 place = (i64)pages.at[code >> 8] * 256 + (code & 255);
            REQUIRE(place < symbols.size);
            ids.at[filled++] = symbols.at[place];
            before = code;
        }
    }
    id_cuts.at[cuts.size - 1] = filled;
    return DONE;
}
