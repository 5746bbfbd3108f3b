/* Candidates of one row, ranked by their distances: see measured.py. */

#ifndef RANKED_H
#define RANKED_H

#include <math.h>

#include "kernel.h"

enum { MOST_NEIGHBOURS = 256, FEW = 8, PARTS = 64 };

/* One feature's part of a distance, and a sum of those before it. */
#define PART_OF(measure, difference)                                      \
    ((measure) == 2   ? (difference) * (difference)                       \
     : (measure) == 3 ? (difference) * (difference) * (difference)        \
     : (measure) == 4 ? ((difference) * (difference)) * ((difference) * (difference)) \
                      : (difference))
#define ADDED(measure, total, part) ((measure) ? (total) + (part) : MAX(part, total))

/* Some distances at once: each is a sum in the order of the features, and waits for itself. */
INLINE void add_few(
    int measure, const f64 *row, const f64 *const *known, i64 width, f64 *distances
) {
    f64 parts[FEW][PARTS], totals[FEW] = {0.0};
    for (i64 start = 0; start < width; start += PARTS) {
        const i64 size = MIN(PARTS, width - start);
        for (int k = 0; k < FEW; k++)
            for (i64 f = 0; f < size; f++) {
                const f64 difference = fabs(row[start + f] - known[k][start + f]);
                parts[k][f] = PART_OF(measure, difference);
            }
        for (i64 f = 0; f < size; f++)
            for (int k = 0; k < FEW; k++)
                totals[k] = ADDED(measure, totals[k], parts[k][f]);
    }
    for (int k = 0; k < FEW; k++)
        distances[k] = totals[k];
}

INLINE void fill_distances(
    i64 measure, const f64 *row, f64_rows_in known, const i64 *places, i64 count, f64 *distances
) {
    for (i64 start = 0; start < count; start += FEW) {
        const f64 *few[FEW];
        f64 found[FEW];
        for (int k = 0; k < FEW; k++)
            few[k] = known.at + places[MIN(start + k, count - 1)] * known.columns;
        switch (measure) {
        case 0: add_few(0, row, few, known.columns, found); break;
        case 1: add_few(1, row, few, known.columns, found); break;
        case 2: add_few(2, row, few, known.columns, found); break;
        case 3: add_few(3, row, few, known.columns, found); break;
        default: add_few(4, row, few, known.columns, found); break;
        }
        for (i64 k = 0; k < MIN(FEW, count - start); k++)
            distances[start + k] = found[k];
    }
}

/* The smallest numbers, sorted: `count` of them, the last ones endless where there are fewer. */
INLINE void find_smallest(const f64 *distances, i64 found, i64 count, f64 *smallest) {
    for (i64 k = 0; k < count; k++)
        smallest[k] = __builtin_inf();
    for (i64 k = 0; k < found; k++) {
        const f64 distance = distances[k];
        if (!(distance < smallest[count - 1]))
            continue;
        i64 at = count - 1;
        for (; at > 0 && smallest[at - 1] > distance; at--)
            smallest[at] = smallest[at - 1];
        smallest[at] = distance;
    }
}

/* The nearest of one row, and what rounding could make one of them; returns its slack, grown. */
INLINE f64 rank(
    const f64 *row, f64_rows_in known, i64 measure, const i64 *candidates, i64 found, i64 count,
    f64 relative, f64 slack, i64 *places, f64 *distances, i64 columns, f64 *room
) {
    f64 smallest[MOST_NEIGHBOURS + 1];
    i64 kept = 0;
    for (i64 k = 0; k < found; k++) /* they lie anywhere, and are asked for together */
        for (i64 f = 0; f < MIN(known.columns, PARTS * 2); f += 8)
            PREFETCH(known.at + candidates[k] * known.columns + f);
    fill_distances(measure, row, known, candidates, found, room);
    find_smallest(room, found, count + 1, smallest);
    slack += relative * smallest[count - 1];
    const f64 limit = MAX(smallest[count - 1] + slack, smallest[count]);
    for (i64 k = 0; k < found; k++) {
        const f64 distance = room[k];
        if (!(distance <= limit) || (kept == columns && !(distance < distances[kept - 1])))
            continue;
        i64 at = kept < columns ? kept++ : columns - 1;
        for (; at > 0 && distances[at - 1] > distance; at--) {
            distances[at] = distances[at - 1];
            places[at] = places[at - 1];
        }
        distances[at] = distance;
        places[at] = candidates[k];
    }
    for (; kept < columns; kept++) {
        places[kept] = 0;
        distances[kept] = __builtin_inf();
    }
    return slack;
}

#endif
