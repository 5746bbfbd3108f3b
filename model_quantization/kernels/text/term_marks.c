/* Which whole numbers there are: see term_tree.py.

   Compiled for each NUMBER of u16, u32. */

#include "kernel.h"

KERNEL none mark(IN(NUMBER) values, u8_out present) {
    for (i64 at = 0; at < values.size; at++) {
        REQUIRE(values.at[at] < (u64)present.size);
        present.at[values.at[at]] = 1;
    }
    return DONE;
}
