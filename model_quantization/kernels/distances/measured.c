/* Distances of rows to known rows, one by one: see measured.py. */

#include "ranked.h"

enum { BLOCK = 256 };

KERNEL none fill_ranked(
    f64_rows_in rows, f64_rows_in known, i64 measure, i64_in found, i64_rows_in candidates,
    f64 relative, i64 count, f64_out slack, i64_rows_out places, f64_rows_out distances, f64_out room
) {
    REQUIRE(rows.columns == known.columns && measure >= 0 && measure <= 4);
    REQUIRE(found.size == rows.rows && candidates.rows == rows.rows && slack.size == rows.rows);
    REQUIRE(places.rows == rows.rows && count > 0 && count <= MOST_NEIGHBOURS);
    REQUIRE(distances.rows == rows.rows && distances.columns == places.columns);
    REQUIRE(places.columns > count && room.size >= candidates.columns);
    for (i64 i = 0; i < rows.rows; i++) {
        REQUIRE(found.at[i] >= 0 && found.at[i] <= candidates.columns);
        for (i64 k = 0; k < found.at[i]; k++) {
            const i64 place = candidates.at[i * candidates.columns + k];
            REQUIRE(place >= 0 && place < known.rows);
        }
    }
    for (i64 i = 0; i < rows.rows; i++)
        slack.at[i] = rank(
            rows.at + i * rows.columns, known, measure, candidates.at + i * candidates.columns,
            found.at[i], count, relative, slack.at[i], places.at + i * places.columns,
            distances.at + i * places.columns, places.columns, room.at
        );
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
            totals[k] = ADDED(measure, totals[k], PART_OF(measure, difference));
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
