/* The table of what leaves add, of one type of VALUE: see leaf_sums.py. */

#ifndef LEAF_SUMS_H
#define LEAF_SUMS_H

#include "kernel.h"

/* Whether the table of leaves fits what is added to. */
INLINE int is_table(u32_in ends, u32_in places, IN(VALUE) values, i64 width, i64 cycle)
{
    return width > 0 && cycle > 0 && ends.size > 0 && places.size == values.size &&
           ends.at[ends.size - 1] <= (u64)values.size;
}

#endif
