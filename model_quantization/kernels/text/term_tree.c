/* Words of a vocabulary from their suffixes, and the table that finds them: see term_tree.py. */

#include "terms.h"

KERNEL truth join_symbols(u32_in prefix, u8_in data, i32_in offsets, u8_out blob) {
    REQUIRE(offsets.size == prefix.size + 1);
    i64 at = 0, before = 0;
    for (i64 i = 0; i < prefix.size; i++) {
        const i64 start = offsets.at[i], end = offsets.at[i + 1], shared = prefix.at[i];
        REQUIRE(before <= start && start <= end && end <= blob.size);
        if (shared > start - before)
            RETURN(0);
        REQUIRE(shared <= end - start && end - start - shared <= data.size - at);
        memmove(blob.at + start, blob.at + before, (size_t)shared);
        memcpy(blob.at + start + shared, data.at + at, (size_t)(end - start - shared));
        at += end - start - shared;
        before = start;
    }
    RETURN(1);
}

KERNEL none rank_symbols(u32_in popularity, u32_out order, i64_out places) {
    REQUIRE(order.size == popularity.size);
    REQUIRE(places.size >= 2);
    const i64 most = places.size - 2;
    memset(places.at, 0, (size_t)places.size * sizeof(i64));
    UNROLLED for (i64 symbol = 0; symbol < popularity.size; symbol++) {
        REQUIRE(popularity.at[symbol] <= most);
        places.at[most - popularity.at[symbol] + 1]++;
    }
    UNROLLED for (i64 step = 0; step <= most; step++)
        places.at[step + 1] += places.at[step];
    UNROLLED for (i64 symbol = 0; symbol < popularity.size; symbol++)
        order.at[places.at[most - popularity.at[symbol]]++] = (u32)symbol;
    return DONE;
}

KERNEL integer number_terms(
    u8_in ends, u32_in first, i64 n_symbols, u32_out number, i64_out below
) {
    const i64 n_inner = ends.size;
    if (!n_inner)
        RETURN(n_symbols);
    REQUIRE(first.size == n_inner + 1 && number.size == n_inner && below.size == n_inner);
    REQUIRE(0 <= n_symbols && n_symbols <= n_inner);
    for (i64 node = n_inner - 1; node >= 0; node--) {
        i64 terms = ends.at[node] != 0;
        const i64 start = n_symbols + first.at[node], end = n_symbols + first.at[node + 1];
        REQUIRE(node < start && start <= end);
        if (start >= n_inner) {
            terms += end - start;
        } else {
            REQUIRE(end <= n_inner);
            for (i64 child = start; child < end; child++)
                terms += below.at[child];
        }
        below.at[node] = terms;
    }
    i64 total = 0;
    for (i64 node = 0; node < n_symbols; node++) {
        number.at[node] = (u32)(2 * total + (ends.at[node] != 0));
        total += below.at[node];
    }
    for (i64 node = 0; node < n_inner; node++) {
        const i64 start = n_symbols + first.at[node], end = n_symbols + first.at[node + 1];
        if (start >= n_inner)
            continue;
        i64 before = (i64)(number.at[node] >> 1) + (ends.at[node] != 0);
        for (i64 child = start; child < end; child++) {
            number.at[child] = (u32)(2 * before + (ends.at[child] != 0));
            before += below.at[child];
        }
    }
    RETURN(total);
}

KERNEL truth fill_table(u8_in blob, i32_in offsets, u32_out table) {
    REQUIRE(IS_POWER_OF_TWO(table.size) && offsets.size > 0);
    if (offsets.size > table.size)
        RETURN(0);
    const u32_in entered = {table.at, table.size};
    const u32 mask = (u32)(table.size - 1);
    for (i64 i = 0; i < offsets.size - 1; i++) {
        const i64 start = offsets.at[i], end = offsets.at[i + 1];
        REQUIRE(0 <= start && start <= end && end <= blob.size);
        const u32 value = hashed(blob.at, start, end);
        if (symbol_of(blob.at, start, end, value, blob, offsets, entered) >= 0)
            continue;
        u32 slot = (value ^ (value >> 15)) & mask;
        i64 tried = 0;
        for (; table.at[slot]; tried++) {
            if (tried == table.size)
                RETURN(0); /* it was not empty at first */
            slot = (slot + 1) & mask;
        }
        table.at[slot] = (u32)(i + 1);
    }
    RETURN(1);
}

KERNEL integer find_symbol(u8_in data, u8_in blob, i32_in offsets, u32_in table) {
    REQUIRE(IS_POWER_OF_TWO(table.size) && offsets.size > 0);
    const u32 value = hashed(data.at, 0, data.size);
    RETURN(symbol_of(data.at, 0, data.size, value, blob, offsets, table));
}
