/* Which whole numbers there are: see term_tree.py.

   Compiled for each NUMBER of u16, u32. */

#include "kernel.h"

KERNEL none mark(IN(NUMBER) values, u8_out present) {
    /* The largest first, many at a time: the stores need no check of their own then. */
    NUMBER largest = 0;
    for (i64 at = 0; at < values.size; at++)
        largest = MAX(largest, values.at[at]);
    REQUIRE(values.size == 0 || (i64)largest < present.size);
    for (i64 at = 0; at < values.size; at++)
        present.at[values.at[at]] = 1;
    return DONE;
}
