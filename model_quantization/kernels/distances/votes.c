/* Votes of the nearest known rows: see votes.py. */

#include "kernel.h"

/* Whether rounding may have chosen the last neighbour of a row, among several labels. */
INLINE int is_undecided(
    const i64 *places, const f64 *distances, i64 columns, f64 slack, const i64 *labels, i64 count
) {
    const f64 last = distances[count - 1];
    if (distances[count] - last > slack)
        return 0;
    if (distances[columns - 1] <= last + slack)
        return 1;
    for (i64 k = 0; k < columns; k++) {
        const int may_be = k < count ? distances[k] >= last - slack : distances[k] <= last + slack;
        if (may_be && labels[places[k]] != labels[places[count - 1]])
            return 1;
    }
    return 0;
}

KERNEL integer fill_votes(
    i64_rows_in places, f64_rows_in distances, f64_in slack, i64_in labels, i64 count,
    f64_rows_out votes
) {
    const i64 n = places.rows, columns = places.columns;
    REQUIRE(distances.rows == n && distances.columns == columns && slack.size == n);
    REQUIRE(count > 0 && count < columns && votes.rows == n);
    for (i64 k = 0; k < n * columns; k++) {
        REQUIRE(places.at[k] >= 0 && places.at[k] < labels.size);
        REQUIRE(labels.at[places.at[k]] >= 0 && labels.at[places.at[k]] < votes.columns);
    }
    i64 undecided = 0;
    for (i64 i = 0; i < n; i++) {
        const i64 *own = places.at + i * columns;
        f64 *out = votes.at + i * votes.columns;
        for (i64 k = 0; k < votes.columns; k++)
            out[k] = 0.0;
        for (i64 k = 0; k < count; k++)
            out[labels.at[own[k]]] += 1.0;
        undecided += is_undecided(
            own, distances.at + i * columns, columns, slack.at[i], labels.at, count
        );
    }
    RETURN(undecided);
}
