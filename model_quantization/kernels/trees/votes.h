/* Leaves that add a one at one place, counted in bytes: see leaf_sums.py. VALUE is a type of numbers. */

#ifndef VOTES_H
#define VOTES_H

#include <string.h>

#include "vectors.h"

/* Columns that votes are counted for, votes that fit a byte, and rows whose votes are one vector. */
enum { MOST_VOTED = 16, MOST_VOTES = 255, VOTERS = 32 };
VECTOR_OF(u8, voters, VOTERS);

/* Whether each row of a table of leaves is a one at one place. */
INLINE int are_votes(u32_in ends, IN(VALUE) values)
{
    int alone = ends.size == values.size + 1;
    for (i64 at = 0; at < ends.size && alone; at++)
        alone = ends.at[at] == at;
    for (i64 at = 0; at < values.size && alone; at++)
        alone = values.at[at] == 1;
    return alone;
}

/* Whether sums start at 0.0, so that their numbers of ones are the sums. -0.0 is not 0.0. */
INLINE int all_zero(const VALUE *values, i64 count)
{
    const VALUE zero = 0;
    for (i64 at = 0; at < count; at++)
        if (memcmp(values + at, &zero, sizeof zero))
            return 0;
    return 1;
}

/* Count a vote of each of `rows` rows, whole vectors of them; the counts of a column are `apart`. */
INLINE void count_votes(u8 *restrict votes, i64 apart, i64 width, const u8 *restrict voted, i64 rows)
{
    for (i64 column = 0; column < width; column++, votes += apart)
        for (i64 row = 0; row < rows; row += VOTERS) {
            const voters same = (voters)(LOAD(voters, voted + row) == (u8)column);
            STORE(voters, votes + row, LOAD(voters, votes + row) - same);
        }
}

/* Add the votes of `count` rows to their sums, and begin anew. */
INLINE void add_votes(VALUE *restrict to, i64 width, u8 *restrict votes, i64 apart, i64 count)
{
    for (i64 row = 0; row < count; row++)
        for (i64 column = 0; column < width; column++)
            *to++ += (VALUE)votes[column * apart + row];
    memset(votes, 0, (size_t)(width * apart));
}

#endif
