/* Short facts about the lengths of documents: see term_counts.py. */

#include "kernel.h"

KERNEL integer longest(i64_in cuts) {
    i64 most = 0;
    for (i64 at = 0; at + 1 < cuts.size; at++)
        most = MAX(most, (i64)((u64)cuts.at[at + 1] - (u64)cuts.at[at]));
    RETURN(most);
}

KERNEL integer largest(i64_in counts) {
    i64 most = 1;
    for (i64 at = 0; at < counts.size; at++)
        most = MAX(most, counts.at[at]);
    RETURN(most);
}
