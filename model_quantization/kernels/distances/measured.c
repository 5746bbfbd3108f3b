/* Distances of rows to known rows, one by one: see measured.py. */

#include <math.h>

#include "kernel.h"

enum { FEW = 4, BLOCK = 256 };

/* A part of a distance: one feature's difference, added to those before it. */
#define ADD_PART(measure, total, difference)                                               \
    ((measure) == 2   ? (total) + (difference) * (difference)                              \
     : (measure) == 1 ? (total) + (difference)                                             \
     : (measure) == 0 ? MAX(difference, total)                                             \
     : (measure) == 3 ? (total) + (difference) * (difference) * (difference)               \
                      : (total) + ((difference) * (difference)) * ((difference) * (difference)))

/* Some distances at once: each is a sum in the order of the features, and waits for itself. */
INLINE void add_few(
    int measure, const f64 *row, const f64 *const *known, i64 width, f64 *distances
) {
    f64 totals[FEW] = {0.0, 0.0, 0.0, 0.0};
    for (i64 f = 0; f < width; f++)
        for (int k = 0; k < FEW; k++) {
            const f64 difference = fabs(row[f] - known[k][f]);
            totals[k] = ADD_PART(measure, totals[k], difference);
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

INLINE void sort_by_distance(i64 *places, f64 *distances, i64 count) {
    for (i64 next = 1; next < count; next++) {
        const f64 distance = distances[next];
        const i64 place = places[next];
        i64 at = next;
        for (; at > 0 && distances[at - 1] > distance; at--) {
            distances[at] = distances[at - 1];
            places[at] = places[at - 1];
        }
        distances[at] = distance;
        places[at] = place;
    }
}

KERNEL none fill_sorted_distances(
    f64_rows_in rows, f64_rows_in known, i64 measure, i64_in found, i64_rows_out places,
    f64_rows_out distances
) {
    REQUIRE(rows.columns == known.columns && measure >= 0 && measure <= 4);
    REQUIRE(found.size == rows.rows && places.rows == rows.rows);
    REQUIRE(distances.rows == rows.rows && distances.columns == places.columns);
    for (i64 i = 0; i < rows.rows; i++) {
        REQUIRE(found.at[i] >= 0 && found.at[i] <= places.columns);
        for (i64 k = 0; k < found.at[i]; k++) {
            const i64 place = places.at[i * places.columns + k];
            REQUIRE(place >= 0 && place < known.rows);
        }
    }
    for (i64 i = 0; i < rows.rows; i++) {
        i64 *own = places.at + i * places.columns;
        f64 *out = distances.at + i * places.columns;
        const i64 count = found.at[i];
        fill_distances(measure, rows.at + i * rows.columns, known, own, count, out);
        sort_by_distance(own, out, count);
        for (i64 k = count; k < places.columns; k++) {
            own[k] = 0;
            out[k] = __builtin_inf();
        }
    }
    return DONE;
}

INLINE void subtract_block(
    int measure, const f32 *row, f32_rows_in columns, i64 start, i64 size, f32 *out
) {
    f32 totals[BLOCK];
    for (i64 k = 0; k < size; k++)
        totals[k] = 0.0f;
    for (i64 f = 0; f < columns.rows; f++) {
        const f32 value = row[f], *known = columns.at + f * columns.columns + start;
        for (i64 k = 0; k < size; k++) {
            const f32 difference = fabsf(value - known[k]);
            totals[k] = ADD_PART(measure, totals[k], difference);
        }
    }
    for (i64 k = 0; k < size; k++)
        out[k] = -totals[k];
}

KERNEL none fill_nearness(
    f32_rows_in rows, f32_rows_in columns, i64 measure, f32_rows_out scores
) {
    REQUIRE(rows.columns == columns.rows && measure >= 0 && measure <= 4);
    REQUIRE(scores.rows == rows.rows && scores.columns == columns.columns);
    for (i64 i = 0; i < rows.rows; i++) {
        const f32 *row = rows.at + i * rows.columns;
        f32 *out = scores.at + i * scores.columns;
        for (i64 start = 0; start < columns.columns; start += BLOCK) {
            const i64 size = MIN(BLOCK, columns.columns - start);
            switch (measure) {
            case 0: subtract_block(0, row, columns, start, size, out + start); break;
            case 1: subtract_block(1, row, columns, start, size, out + start); break;
            case 2: subtract_block(2, row, columns, start, size, out + start); break;
            case 3: subtract_block(3, row, columns, start, size, out + start); break;
            default: subtract_block(4, row, columns, start, size, out + start); break;
            }
        }
    }
    return DONE;
}
