/* Candidates for the nearest of known rows, by products of bytes: see coded_scan.py.

   64 known rows lie beside each other, four features of each: one instruction multiplies the four
   with those of a query and adds them up. Sums are whole numbers, which every instruction set has
   alike; what becomes of them takes one operation after the other. A group of known rows stays in
   the nearest cache while all queries pass it. */

#ifndef CODED_SCAN_H
#define CODED_SCAN_H

#include <string.h>

#include "vectors.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

enum {
    GROUP = 64,     /* known rows */
    WORD = 4,       /* features that are multiplied at once */
    AT_ONCE = 4,    /* vectors of sums */
    PER_QUERY = 3,  /* numbers: scale, doubt, margin */
    MOST_FEATURES = 1 << 15
};
enum { LANES = VECTOR_BYTES / 4, SPAN = AT_ONCE * LANES };
#if defined(__AVX512VNNI__)
enum { TILE = 6 };
#else
enum { TILE = 2 };
#endif

VECTOR_OF(u32, wholes, VECTOR_BYTES / 4);
VECTOR_OF(i32, signed_wholes, VECTOR_BYTES / 4);
VECTOR_OF(f32, floats, VECTOR_BYTES / 4);

/* A query's four numbers, as the known rows' are multiplied by them. */
#if defined(__AVX512VNNI__)
typedef struct { __m512i all; } factors;

INLINE factors factors_of(u32 word) {
    return (factors){_mm512_set1_epi32((int)word)};
}

INLINE wholes add_products(wholes sums, const u8 *known, factors query) {
    const __m512i codes = _mm512_loadu_si512(known);
    return (wholes)_mm512_dpbusd_epi32((__m512i)sums, codes, query.all);
}
#elif defined(__AVX2__)
/* Bytes become pairs of 16 bits: products of pairs of bytes would not fit what they are added up in. */
typedef struct { __m256i even, odd; } factors;

INLINE factors factors_of(u32 word) {
    const __m256i all = _mm256_set1_epi32((int)word);
    const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(all, 8), 8);
    return (factors){even, _mm256_srai_epi16(all, 8)};
}

INLINE wholes add_products(wholes sums, const u8 *known, factors query) {
    const __m256i codes = _mm256_loadu_si256((const __m256i *)known);
    const __m256i even = _mm256_and_si256(codes, _mm256_set1_epi16(255));
    const __m256i odd = _mm256_srli_epi16(codes, 8);
    sums += (wholes)_mm256_madd_epi16(even, query.even);
    return sums + (wholes)_mm256_madd_epi16(odd, query.odd);
}
#elif defined(__SSE2__)
typedef struct { __m128i even, odd; } factors;

INLINE factors factors_of(u32 word) {
    const __m128i all = _mm_set1_epi32((int)word);
    return (factors){_mm_srai_epi16(_mm_slli_epi16(all, 8), 8), _mm_srai_epi16(all, 8)};
}

INLINE wholes add_products(wholes sums, const u8 *known, factors query) {
    const __m128i codes = _mm_loadu_si128((const __m128i *)known);
    const __m128i even = _mm_and_si128(codes, _mm_set1_epi16(255)), odd = _mm_srli_epi16(codes, 8);
    sums += (wholes)_mm_madd_epi16(even, query.even);
    return sums + (wholes)_mm_madd_epi16(odd, query.odd);
}
#else
typedef struct { i8 each[WORD]; } factors;

INLINE factors factors_of(u32 word) {
    factors made;
    memcpy(made.each, &word, sizeof word);
    return made;
}

INLINE wholes add_products(wholes sums, const u8 *known, factors query) {
    i32 products[LANES];
    for (int k = 0; k < LANES; k++) {
        products[k] = 0;
        for (int j = 0; j < WORD; j++)
            products[k] += known[k * WORD + j] * query.each[j];
    }
    return sums + LOAD(wholes, products);
}
#endif

/* A bit for each number that is the limit or more. */
INLINE u32 from_limit(floats values, f32 limit) {
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask((__m512)values, _mm512_set1_ps(limit), _CMP_GE_OQ);
#elif defined(__AVX2__)
    const __m256 found = _mm256_cmp_ps((__m256)values, _mm256_set1_ps(limit), _CMP_GE_OQ);
    return (u32)_mm256_movemask_ps(found);
#elif defined(__SSE2__)
    return (u32)_mm_movemask_ps(_mm_cmpge_ps((__m128)values, _mm_set1_ps(limit)));
#else
    u32 found = 0;
    for (int k = 0; k < LANES; k++)
        found |= (u32)(values[k] >= limit) << k;
    return found;
#endif
}

#define LOWEST (-0x1p127f) /* what fills up the last group has endless heights, and scores below this */

/* What is known of a query so far. Places that are kept may fall below the limit later on. */
struct search {
    f32 *largest; /* lower bounds of scores, sorted; the last of them is the least */
    f32 *scores;  /* upper bounds of the places that are kept */
    i64 *places;
    i64 kept, room;
    f32 limit;
    int is_full, is_final;
};

INLINE void insert(f32 *largest, i64 count, f32 score) {
    i64 place = count - 1;
    for (; place > 0 && largest[place - 1] < score; place--)
        largest[place] = largest[place - 1];
    largest[place] = score;
}

INLINE void drop_below_limit(struct search *own) {
    i64 kept = 0;
    for (i64 k = 0; k < own->kept; k++)
        if (own->scores[k] >= own->limit) {
            own->places[kept] = own->places[k];
            own->scores[kept++] = own->scores[k];
        }
    own->kept = kept;
}

INLINE void keep_place(struct search *own, i64 place, f32 score) {
    if (own->kept == own->room && !own->is_full) {
        if (!own->is_final)
            drop_below_limit(own);
        own->is_full = own->kept > own->room / 4 * 3 || own->kept == own->room;
    }
    if (own->is_full)
        return;
    own->places[own->kept] = place;
    own->scores[own->kept++] = score;
}

/* Keep those known rows of which a bit is set, if their scores are still the limit or more. */
static __attribute__((noinline)) void keep_some(
    struct search *own, u64 left, const f32 *numbers, const i32 *sums, const f32 *heights,
    const f32 *lengths, i64 start, i64 count
) {
    for (; left; left &= left - 1) {
        const int k = __builtin_ctzll(left);
        const f32 products = numbers[0] * (f32)sums[k], doubt = numbers[1] * lengths[k];
        const f32 score = products - (heights[k] - doubt), low = products - (heights[k] + doubt);
        if (!(score >= own->limit))
            continue;
        keep_place(own, start + k, score);
        if (!own->is_final && low > own->largest[count - 1]) {
            insert(own->largest, count, low);
            own->limit = MAX(own->largest[count - 1] - numbers[2], own->limit);
        }
    }
}

/* Scores of some known rows for a query: most are far below the limit. */
INLINE void judge(
    struct search *own, const wholes *sums, const f32 *numbers, const f32 *heights,
    const f32 *lengths, i64 start, i64 count
) {
    u64 left = 0;
    for (int v = 0; v < AT_ONCE; v++) {
        const floats products = numbers[0] * __builtin_convertvector((signed_wholes)sums[v], floats);
        const floats doubts = numbers[1] * LOAD(floats, lengths + v * LANES);
        const floats score = products - (LOAD(floats, heights + v * LANES) - doubts);
        left |= (u64)from_limit(score, own->limit) << (v * LANES);
    }
    if (left) {
        i32 each[SPAN];
        memcpy(each, sums, sizeof each);
        keep_some(own, left, numbers, each, heights, lengths, start, count);
    }
}

/* All known rows of a group, for some queries. */
INLINE void pass_group(
    int queries_now, struct search *own, const i8 *queries, i64 width, const i32 *starts,
    const f32 *numbers, const u8 *group, const f32 *heights, const f32 *lengths, i64 start,
    i64 count
) {
    for (int from = 0; from < GROUP; from += SPAN) {
        wholes sums[TILE][AT_ONCE];
        for (int i = 0; i < queries_now; i++)
            for (int v = 0; v < AT_ONCE; v++)
                sums[i][v] = (u32)starts[i] + (wholes){0};
        for (i64 f = 0; f < width; f += WORD) {
            const u8 *known = group + f * GROUP + from * WORD;
            for (int i = 0; i < queries_now; i++) {
                u32 word;
                memcpy(&word, queries + i * width + f, sizeof word);
                const factors query = factors_of(word);
                for (int v = 0; v < AT_ONCE; v++)
                    sums[i][v] = add_products(sums[i][v], known + v * VECTOR_BYTES, query);
            }
        }
        for (int i = 0; i < queries_now; i++)
            judge(
                own + i, sums[i], numbers + i * PER_QUERY, heights + from, lengths + from,
                start + from, count
            );
    }
}

/* All known rows, for one query or for as many as are looked at together. */
INLINE void pass_groups(
    struct search *own, i64 n, const i8 *queries, i64 width, const i32 *starts, const f32 *numbers,
    u8_rows_in groups, const f32 *heights, const f32 *lengths, i64 count
) {
    for (i64 g = 0; g < groups.rows; g++) {
        i64 i = 0;
#define PASS(QUERIES)                                                                             \
    pass_group(                                                                                   \
        QUERIES, own + i, queries + i * width, width, starts + i, numbers + i * PER_QUERY,        \
        groups.at + g * groups.columns, heights + g * GROUP, lengths + g * GROUP, g * GROUP, count \
    )
        for (; i + TILE <= n; i += TILE)
            PASS(TILE);
        for (; i < n; i++)
            PASS(1);
#undef PASS
    }
}

/* The places that are left of each query; none where there is no room for all. */
INLINE void search_groups(
    struct search *own, i64 n, const i8 *queries, i64 width, const i32 *starts, const f32 *numbers,
    u8_rows_in groups, const f32 *heights, const f32 *lengths, i64 count
) {
    for (i64 i = 0; i < n; i++) {
        own[i].limit = LOWEST;
        own[i].kept = own[i].is_full = own[i].is_final = 0;
        for (i64 k = 0; k < count; k++)
            own[i].largest[k] = -__builtin_inff();
    }
    pass_groups(own, n, queries, width, starts, numbers, groups, heights, lengths, count);
    for (i64 i = 0; i < n; i++) {
        if (own[i].is_full) { /* once more, with what the limit became at last */
            own[i].kept = own[i].is_full = 0;
            own[i].is_final = 1;
            pass_groups(
                own + i, 1, queries + i * width, width, starts + i, numbers + i * PER_QUERY, groups,
                heights, lengths, count
            );
        }
        drop_below_limit(own + i);
        if (own[i].is_full || own[i].kept < count)
            own[i].kept = 0;
    }
}

#endif
