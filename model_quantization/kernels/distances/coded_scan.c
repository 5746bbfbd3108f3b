/* The nearest of known rows, found by codes of a byte: see coded_scan.py. */

#include "coded_scan.h"
#include "ranked.h"

enum { AT_ONCE_ROWS = 96, FACTS = 5 };

/* What is known of all known rows. */
struct facts {
    const f64 *middle, *steps;
    const i32 *zeros;
    f64 reach, raw_reach, residual, single, twofold;
};

/* Rounded to a whole number as the processor rounds; what is rounded is small. */
#define ROUNDED(value) (((value) + 0x1.8p52) - 0x1.8p52)

/* One row as the scan takes it; returns the slack of its distances, below zero for a row that is too
   far away or no numbers. */
INLINE f64 make_query(
    const f64 *row, i64 features, struct facts known, i8 *query, i64 width, i32 *start, f32 *numbers
) {
    f64 raw = 0.0, away = 0.0, most = 0.0, doubt = 0.0;
    for (i64 f = 0; f < features; f++) {
        const f64 centred = row[f] - known.middle[f], size = fabs(centred * known.steps[f]);
        raw += row[f] * row[f];
        away += centred * centred;
        most = MAX(size, most);
    }
    memset(query, 0, (size_t)width);
    const f64 far = sqrt(away) + known.reach, raw_far = sqrt(raw) + known.raw_reach;
    const f64 slack = known.twofold * (raw_far * raw_far);
    if (!(far < 0x1p50 && slack < 0x1p100 && most < 0x1p100))
        return -1.0;
    const f64 scale = (f64)(f32)(most / 127.0);
    const int is_coded = scale > 0x1p-100;
    u32 from = 0;
    for (i64 f = 0; f < features; f++) {
        f64 left = (row[f] - known.middle[f]) * known.steps[f];
        if (is_coded) {
            const f64 code = ROUNDED(left / scale);
            left -= scale * code;
            query[f] = (i8)code;
            from -= (u32)known.zeros[f] * (u32)(i32)code;
        }
        doubt += left * left;
    }
    const f64 margin = sqrt(away) * known.residual + known.single * (far * far) + slack;
    *start = (i32)from;
    numbers[0] = is_coded ? (f32)scale : 0.0f;
    numbers[1] = (f32)(sqrt(doubt) * 1.00001);
    numbers[2] = (f32)(2.00001 * margin);
    return slack;
}

KERNEL integer fill_nearest_by_codes(
    f64_rows_in rows, f64_in middle, f64_in steps, i32_in zeros, f64_in facts, u8_rows_in groups,
    f32_in heights, f32_in lengths, f64_rows_in known, f64 relative, i64 count, i64 most,
    f64_out slack, i64_rows_out places, f64_rows_out distances, i64_out room
) {
    const i64 features = rows.columns, n = rows.rows, columns = places.columns;
    REQUIRE(features > 0 && features <= MOST_FEATURES && middle.size == features);
    REQUIRE(steps.size == features && zeros.size == features && facts.size == FACTS);
    const i64 width = (features + WORD - 1) / WORD * WORD;
    REQUIRE(groups.columns == width * GROUP && heights.size == times(groups.rows, GROUP));
    REQUIRE(lengths.size == heights.size && known.columns == features);
    REQUIRE(known.rows <= heights.size && known.rows > heights.size - GROUP);
    REQUIRE(count > 0 && count <= MOST_NEIGHBOURS && count < columns && most >= count);
    REQUIRE(slack.size == n && places.rows == n && distances.rows == n);
    REQUIRE(distances.columns == columns && most <= 1 << 20);
    /* Eight bytes at a time, for each row: a query, its start and numbers, places, scores, bounds. */
    const i64 of_query = (width + 7) / 8, of_scores = (most + 1) / 2, of_largest = (count + 1) / 2;
    const i64 block = MIN(n, AT_ONCE_ROWS), each = of_query + 3 + most + of_scores + of_largest;
    REQUIRE(room.size >= plus(times(block, each), most));
    for (i64 k = known.rows; k < heights.size; k++)
        REQUIRE(heights.at[k] == __builtin_inff());
    const struct facts all = {
        middle.at, steps.at, zeros.at, facts.at[0], facts.at[1], facts.at[2], facts.at[3],
        facts.at[4],
    };
    i64 *const candidates = room.at;
    f64 *const measured = (f64 *)(room.at + block * most);
    i8 *const queries = (i8 *)(measured + most);
    i32 *const starts = (i32 *)(queries + block * of_query * 8);
    f32 *const numbers = (f32 *)(starts + block * 2);
    f32 *const scores = numbers + block * 4;
    f32 *const largest = scores + block * of_scores * 2;
    i64 failed = 0;
    for (i64 first = 0; first < n; first += block) {
        struct search searches[AT_ONCE_ROWS];
        const i64 size = MIN(block, n - first);
        i64 usable = 0, which[AT_ONCE_ROWS];
        for (i64 i = 0; i < size; i++) {
            const f64 found = make_query(
                rows.at + (first + i) * features, features, all, queries + usable * width, width,
                starts + usable, numbers + usable * PER_QUERY
            );
            slack.at[first + i] = MAX(found, 0.0);
            for (i64 k = 0; k < columns; k++) {
                places.at[(first + i) * columns + k] = -1;
                distances.at[(first + i) * columns + k] = __builtin_inf();
            }
            searches[usable].largest = largest + usable * of_largest * 2;
            searches[usable].scores = scores + usable * of_scores * 2;
            searches[usable].places = candidates + usable * most;
            searches[usable].room = most;
            which[usable] = first + i;
            usable += found >= 0.0;
        }
        search_groups(
            searches, usable, queries, width, starts, numbers, groups, heights.at, lengths.at, count
        );
        failed += size - usable;
        for (i64 k = 0; k < usable; k++) {
            const i64 i = which[k];
            if (!searches[k].kept) {
                failed++;
                continue;
            }
            slack.at[i] = rank(
                rows.at + i * features, known, 2, searches[k].places, searches[k].kept, count,
                relative, slack.at[i], places.at + i * columns, distances.at + i * columns, columns,
                measured
            );
        }
    }
    RETURN(failed);
}
