/* The norms of the rows of a sparse matrix: a header of sources that name their VALUE. */

#include <math.h>

#include "kernel.h"

enum { NO_NORM = 0, SUM_OF_MAGNITUDES = 1, ROOT_OF_SQUARES = 2 };

/* Divide each row by its norm, in place; a norm of zero changes nothing. Sums are taken over
   ascending columns in float64, as scikit-learn does it. */
INLINE struct outcome divide_by_norms(OUT(VALUE) values, i64_in rows, i64 norm) {
    if (norm == NO_NORM)
        return DONE;
    for (i64 row = 0; row + 1 < rows.size; row++) {
        const i64 start = rows.at[row], end = rows.at[row + 1];
        REQUIRE(0 <= start && start <= end && end <= values.size);
        f64 total = 0.0;
        if (norm == SUM_OF_MAGNITUDES)
            for (i64 at = start; at < end; at++)
                total += fabs((f64)values.at[at]);
        else
            for (i64 at = start; at < end; at++)
                total += values.at[at] * values.at[at];
        if (norm == ROOT_OF_SQUARES)
            total = sqrt(total);
        if (total != 0.0)
            for (i64 at = start; at < end; at++)
                values.at[at] = (VALUE)(values.at[at] / total);
    }
    return DONE;
}
