/* Known rows that could be among the nearest: see candidates.py. */

#include "kernel.h"

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

enum {
    MOST_NEIGHBOURS = 256,
    GROUP = 16, /* scores that are looked at together: a bit for each */
    MOST_LANES = 64
};

/* A bit for each score of a group that is the limit or more. */
INLINE u32 from_limit(const f32 *at, f32 limit) {
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask(_mm512_loadu_ps(at), _mm512_set1_ps(limit), _CMP_GE_OQ);
#elif defined(__AVX2__)
    const __m256 wide = _mm256_set1_ps(limit);
    const int low = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(at), wide, _CMP_GE_OQ));
    const int high = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(at + 8), wide, _CMP_GE_OQ));
    return (u32)low | (u32)high << 8;
#else
    u32 found = 0;
    for (int k = 0; k < GROUP; k++)
        found |= (u32)(at[k] >= limit) << k;
    return found;
#endif
}

INLINE u32 some_from_limit(const f32 *at, i64 count, f32 limit) {
    u32 found = 0;
    for (i64 k = 0; k < count; k++)
        found |= (u32)(at[k] >= limit) << k;
    return found;
}

/* The bits of the group that begins at `start`, which may be the end of the scores. */
INLINE u32 group_from(const f32 *scores, i64 size, i64 start, f32 limit) {
    if (size - start >= GROUP)
        return from_limit(scores + start, limit);
    return some_from_limit(scores + start, size - start, limit);
}

/* Put a score among the largest, which are sorted, in place of the least of them. */
INLINE void keep(f32 *largest, i64 count, f32 score) {
    i64 place = count - 1;
    for (; place > 0 && largest[place - 1] < score; place--)
        largest[place] = largest[place - 1];
    largest[place] = score;
}

INLINE f32 least_of_largest(const f32 *scores, i64 size, i64 count) {
    f32 largest[MOST_NEIGHBOURS];
    for (i64 k = 0; k < count; k++)
        largest[k] = -__builtin_inff();
    for (i64 start = 0; start < size; start += GROUP) {
        u32 left = group_from(scores, size, start, largest[count - 1]);
        for (; left; left &= left - 1) {
            const f32 score = scores[start + __builtin_ctz(left)];
            if (score > largest[count - 1])
                keep(largest, count, score);
        }
    }
    return largest[count - 1];
}

/* The largest score of every so many lanes: `count` lanes have one of the limit or more, and so
   there are as many such scores. It takes no branch, as a search for the largest does. */
INLINE f32 least_of_lanes(const f32 *scores, i64 size, i64 count, int lanes) {
    f32 most[MOST_LANES];
    i64 start = 0;
    for (int k = 0; k < lanes; k++)
        most[k] = -__builtin_inff();
    for (; start + lanes <= size; start += lanes)
        for (int k = 0; k < lanes; k++)
            most[k] = MAX(scores[start + k], most[k]);
    for (int k = 0; k < size - start; k++)
        most[k] = MAX(scores[start + k], most[k]);
    for (int k = 0; k < lanes; k++) {
        i32 above = 0, same = 0;
        for (int other = 0; other < lanes; other++) {
            above += most[other] > most[k];
            same += most[other] == most[k];
        }
        if (above < count && count <= above + same)
            return most[k];
    }
    return -__builtin_inff();
}

/* The number of scores from the limit on, and their places; -1: there is no room for all. */
INLINE i64 collect(const f32 *scores, i64 size, f32 limit, i64 *places, i64 room) {
    i64 found = 0;
    for (i64 start = 0; start < size; start += GROUP)
        for (u32 left = group_from(scores, size, start, limit); left; left &= left - 1) {
            if (found == room)
                return -1;
            places[found++] = start + __builtin_ctz(left);
        }
    return found;
}

INLINE i64 collect_by_lanes(
    const f32 *scores, i64 size, i64 count, f32 slack, i64 *places, i64 room
) {
    f32 limit;
    if (count <= 8 && size >= 128)
        limit = least_of_lanes(scores, size, count, 16);
    else if (count <= 32 && size >= 512)
        limit = least_of_lanes(scores, size, count, MOST_LANES);
    else
        return -1;
    return collect(scores, size, limit - slack, places, room);
}

KERNEL integer fill_candidates(
    f32_rows_in scores, i64 count, f32_in slack, i64_rows_out places, i64_out found
) {
    REQUIRE(count > 0 && count <= MOST_NEIGHBOURS && count <= scores.columns);
    REQUIRE(slack.size == scores.rows && found.size == scores.rows);
    REQUIRE(places.rows == scores.rows && places.columns >= count);
    const i64 size = scores.columns, room = places.columns;
    i64 failed = 0;
    for (i64 i = 0; i < scores.rows; i++) {
        const f32 *row = scores.at + i * size;
        i64 *own = places.at + i * room;
        found.at[i] = collect_by_lanes(row, size, count, slack.at[i], own, room);
        if (found.at[i] < count)
            found.at[i] = collect(
                row, size, least_of_largest(row, size, count) - slack.at[i], own, room
            );
        failed += found.at[i] < count;
    }
    RETURN(failed);
}
