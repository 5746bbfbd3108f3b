/* Walks down trees whose nodes are words, eight at a time: see traversal.py for the layout. */

#ifndef WALK_H
#define WALK_H

#include <string.h>

#include "kernel.h"

enum { GROUP = 8 };

static const u64 EXPONENT = 0x7f800000;
static const u32 PAYLOAD_MASK = (1u << 22) - 1;

INLINE f32 threshold_of(u64 word)
{
    const u32 low = (u32)word;
    f32 value;
    memcpy(&value, &low, sizeof value);
    return value;
}

/* The node after `word`; a leaf is followed by itself, as nothing is above its NaN. */
INLINE u64 after(const u64 *nodes, u64 word, u64 low, f32 x)
{
    return nodes[(word >> 32 & low) | (u64)(x > threshold_of(word))];
}

INLINE int is_leaf(u64 word)
{
    return (word & EXPONENT) == EXPONENT;
}

/* A word counts columns in eights: groups of eight values, or for one row eight bytes. */
enum { ROW_STEP = 8 / sizeof(f32) };

INLINE f32 value_in_row(const f32 *row, u64 eights)
{
    return *(const f32 *)((const char *)row + eights);
}

/* Fill `found` with the leaves that eight walks reach over the rows of one group.

   `nodes` is the bank of the trees, `slots` is where each walk starts. `spread`: walk k is over
   row k of the group; otherwise all are over one row, whose values are `ROW_STEP` apart. */
INLINE void walk_eight(const u64 *nodes, const u64 *slots, const f32 *rows, i64 shift, int spread,
                       u64 *found)
{
    const u64 low = ((u64)1 << shift) - 1;
    const i64 s = shift + 32;
    u64 w0 = nodes[slots[0]], w1 = nodes[slots[1]], w2 = nodes[slots[2]], w3 = nodes[slots[3]];
    u64 w4 = nodes[slots[4]], w5 = nodes[slots[5]], w6 = nodes[slots[6]], w7 = nodes[slots[7]];
    const f32 *r1 = rows + spread, *r2 = r1 + spread, *r3 = r2 + spread, *r4 = r3 + spread;
    const f32 *r5 = r4 + spread, *r6 = r5 + spread, *r7 = r6 + spread;
    while ((w0 & w1 & w2 & w3 & w4 & w5 & w6 & w7 & EXPONENT) != EXPONENT) {
        w0 = after(nodes, w0, low, spread ? rows[w0 >> s] : value_in_row(rows, w0 >> s));
        w1 = after(nodes, w1, low, spread ? r1[w1 >> s] : value_in_row(rows, w1 >> s));
        w2 = after(nodes, w2, low, spread ? r2[w2 >> s] : value_in_row(rows, w2 >> s));
        w3 = after(nodes, w3, low, spread ? r3[w3 >> s] : value_in_row(rows, w3 >> s));
        w4 = after(nodes, w4, low, spread ? r4[w4 >> s] : value_in_row(rows, w4 >> s));
        w5 = after(nodes, w5, low, spread ? r5[w5 >> s] : value_in_row(rows, w5 >> s));
        w6 = after(nodes, w6, low, spread ? r6[w6 >> s] : value_in_row(rows, w6 >> s));
        w7 = after(nodes, w7, low, spread ? r7[w7 >> s] : value_in_row(rows, w7 >> s));
    }
    found[0] = w0, found[1] = w1, found[2] = w2, found[3] = w3;
    found[4] = w4, found[5] = w5, found[6] = w6, found[7] = w7;
}

/* The leaf that one row, its values `ROW_STEP` apart, reaches in one tree. */
INLINE u64 walk_one(const u64 *nodes, u64 slot, const f32 *row, i64 shift)
{
    const u64 low = ((u64)1 << shift) - 1;
    u64 word = nodes[slot];
    while (!is_leaf(word))
        word = after(nodes, word, low, value_in_row(row, word >> (shift + 32)));
    return word;
}

/* Fill `found` with what the rows of groups `first` to `last` reach in one tree. */
INLINE void walk_groups(const u64 *nodes, u64 slot, u32 base, const f32 *groups, i64 n_columns,
                        i64 first, i64 last, i64 shift, u32 *found)
{
    const u64 slots[GROUP] = {slot, slot, slot, slot, slot, slot, slot, slot};
    for (i64 group = first; group < last; group++) {
        u64 words[GROUP];
        walk_eight(nodes, slots, groups + group * n_columns * GROUP, shift, 1, words);
        for (int k = 0; k < GROUP; k++)
            *found++ = ((u32)words[k] & PAYLOAD_MASK) + base;
    }
}

/* Whether the parts of a laid-out forest belong together. */
INLINE int are_nodes(u64_in words, u64_in starts, u64_in banks, u32_in bases, i64 shift)
{
    if (shift < 2 || shift > 29 || starts.size != banks.size || starts.size != bases.size)
        return 0;
    for (i64 tree = 0; tree < starts.size; tree++)
        if (banks.at[tree] >= (u64)words.size || starts.at[tree] >= (u64)words.size - banks.at[tree])
            return 0;
    return 1;
}

/* The groups of so many rows. */
INLINE i64 in_groups(i64 rows)
{
    return rows / GROUP + (rows % GROUP > 0);
}

/* Whether rows `first` to `last` lie in groups of so many values, and a block is whole groups. */
INLINE int are_rows(f32_in groups, i64 n_columns, i64 first, i64 last, i64 block)
{
    return n_columns >= 0 && 0 <= first && first <= last && first % GROUP == 0 && block >= GROUP &&
           block % GROUP == 0 && times(in_groups(last), times(GROUP, n_columns)) <= groups.size;
}

#endif
