/* Weighted sums of similarities to known rows: see similar_sums.py.

   Known rows lie in tiles of 32, feature by feature, so that one load has a feature of several. Two
   rows are compared with two tiles at a time; what follows the distances or products is a program
   of a few steps, each over all numbers of both. */

#include <math.h>

#include "doubles.h"

enum { TILE = 32, CHUNK = 2 * TILE, PAIR = 2, DEPTH = 8, GROUP = 4 * LANES, ALIGNED = 8 };
enum { BLOCK = 128 }; /* rows that stay in the cache while they pass all tiles */
enum {
    DISTANCES, PRODUCTS, CONSTANT, SCALE, EXPONENTIAL, TANGENT, ROOT, MATERN_3, MATERN_5, POWER,
    SINE_SQUARED, LOGARITHM, ADD, MULTIPLY
};

struct known {
    const f64 *scales, *tiles;
    i64 width, n_tiles;
};

/* Whether each step of a program has what it takes, and one number is left. */
static int is_sound(i64_rows_in program, f64_rows_in constants, i64 n_blocks) {
    if (program.columns != 2 || constants.columns != 2 || constants.rows != program.rows)
        return 0;
    i64 depth = 0;
    for (i64 at = 0; at < program.rows; at++) {
        const i64 step = program.at[2 * at], which = program.at[2 * at + 1];
        if (step < DISTANCES || step > MULTIPLY)
            return 0;
        if (step <= PRODUCTS && (which < 0 || which >= n_blocks))
            return 0;
        if (step == POWER && (which < 0 || which > 64))
            return 0;
        const i64 taken = step <= CONSTANT ? 0 : step >= ADD ? 2 : 1;
        if (depth < taken)
            return 0;
        depth += 1 - taken;
        if (depth > DEPTH)
            return 0;
    }
    return depth == 1;
}

/* Squared distances or products of `count` rows with the 32 rows of a tile, CHUNK apart. */
INLINE void compare(
    const f64 *rows, int count, int squared, const f64 *scales, const f64 *tile, i64 width, f64 *out
) {
    for (int group = 0; group < TILE; group += GROUP) {
        numbers sums[PAIR][4] = {{{0}}};
        for (i64 f = 0; f < width; f++) {
            const f64 *known = tile + f * TILE + group;
            for (int r = 0; r < count; r++) {
                const numbers value = every(rows[r * width + f] * scales[f]);
                for (int v = 0; v < 4; v++) {
                    const numbers other = LOAD(numbers, known + v * LANES);
                    const numbers gap = value - other;
                    sums[r][v] = squared ? added_product(gap, gap, sums[r][v])
                                         : added_product(value, other, sums[r][v]);
                }
            }
        }
        for (int r = 0; r < count; r++)
            for (int v = 0; v < 4; v++)
                STORE(numbers, out + r * CHUNK + group + v * LANES, sums[r][v]);
    }
}

INLINE f64 whole_power(f64 base, i64 power) {
    f64 found = 1.0;
    for (; power; power >>= 1, base *= base)
        if (power & 1)
            found *= base;
    return found;
}

/* Replace the numbers of one row by what a step that takes one makes of them. */
INLINE void change(f64 *values, int size, i64 step, i64 which, f64 a, f64 b) {
    const numbers one = every(1.0), first = every(a);
#define EACH_VECTOR(EXPRESSION)                          \
    for (int at = 0; at < size; at += LANES) {           \
        const numbers x = LOAD(numbers, values + at);    \
        STORE(numbers, values + at, EXPRESSION);         \
    }                                                    \
    break;
#define EACH_NUMBER(EXPRESSION)              \
    for (int at = 0; at < size; at++) {      \
        const f64 x = values[at];            \
        values[at] = EXPRESSION;             \
    }                                        \
    break;
    switch (step) {
    case SCALE:
        EACH_VECTOR(added_product(x, first, every(b)))
    case EXPONENTIAL:
        EACH_VECTOR(exponential(x * first))
    case TANGENT:
        EACH_VECTOR(one - every(2.0) / (exponential(x + x) + one))
    case ROOT:
        EACH_NUMBER(sqrt(x))
    case MATERN_3:
        EACH_VECTOR((one + x) * exponential(-x))
    case MATERN_5:
        EACH_VECTOR((one + x + x * x / every(3.0)) * exponential(-x))
    case POWER:
        if (which == 3) {
            EACH_VECTOR(x * x * x)
        }
        EACH_NUMBER(whole_power(x, which))
    case SINE_SQUARED:
        EACH_NUMBER(sin(x) * sin(x))
    case LOGARITHM:
        EACH_NUMBER(log(a + x))
    default:
        break;
    }
}

/* The similarities of `count` rows to the known rows of `tiles` tiles from one on, in `slots`. */
INLINE void run(
    const f64 *rows, int count, struct known known, i64 tile, int tiles, i64_rows_in program,
    f64_rows_in constants, f64 slots[DEPTH][PAIR * CHUNK]
) {
    int top = -1;
    for (i64 at = 0; at < program.rows; at++) {
        const i64 step = program.at[2 * at], which = program.at[2 * at + 1];
        const f64 a = constants.at[2 * at], b = constants.at[2 * at + 1];
        if (step <= PRODUCTS) {
            const f64 *scales = known.scales + which * known.width;
            const f64 *first =
                known.tiles + (which * known.n_tiles + tile) * known.width * TILE;
            top++;
            for (int k = 0; k < tiles; k++) {
                const f64 *place = first + k * known.width * TILE;
                if (step == DISTANCES)
                    compare(rows, count, 1, scales, place, known.width, slots[top] + k * TILE);
                else
                    compare(rows, count, 0, scales, place, known.width, slots[top] + k * TILE);
            }
            continue;
        }
        top += step == CONSTANT ? 1 : step >= ADD ? -1 : 0;
        for (int r = 0; r < count; r++) {
            f64 *values = slots[top] + r * CHUNK;
            const f64 *others = slots[top + (step >= ADD)] + r * CHUNK;
            if (step == CONSTANT)
                for (int k = 0; k < tiles * TILE; k++)
                    values[k] = a;
            else if (step == ADD)
                for (int k = 0; k < tiles * TILE; k++)
                    values[k] += others[k];
            else if (step == MULTIPLY)
                for (int k = 0; k < tiles * TILE; k++)
                    values[k] *= others[k];
            else
                change(values, tiles * TILE, step, which, a, b);
        }
    }
}

INLINE f64 weighted(const f64 *values, const f64 *weights, i64 size) {
    numbers sums[2] = {{0}, {0}};
    i64 at = 0;
    for (; at + 2 * LANES <= size; at += 2 * LANES) {
        sums[0] = added_product(LOAD(numbers, values + at), LOAD(numbers, weights + at), sums[0]);
        sums[1] = added_product(
            LOAD(numbers, values + at + LANES), LOAD(numbers, weights + at + LANES), sums[1]
        );
    }
    if (at < size)
        sums[0] = added_product(LOAD(numbers, values + at), LOAD(numbers, weights + at), sums[0]);
    return sum_of(sums[0] + sums[1]);
}

/* Add the sums of one row over the known rows of a chunk, which begins at `from`. */
INLINE void add_weighted(
    const f64 *values, i64 from, i64 to, f64_rows_in coefficients, i64_in starts, f64 *sums
) {
    for (i64 part = 0; part + 1 < starts.size; part++) {
        const i64 first = MAX(starts.at[part], from), end = MIN(starts.at[part + 1], to);
        if (first >= end)
            continue;
        for (i64 c = 0; c < coefficients.rows; c++)
            sums[part * coefficients.rows + c] += weighted(
                values + (first - from), coefficients.at + c * coefficients.columns + first,
                end - first
            );
    }
}

#define REQUIRE_KNOWN(count)                                                                   \
    REQUIRE(scales.columns == rows.columns && tiles.columns == TILE && (count) % TILE == 0);   \
    REQUIRE(tiles.rows == times(times(scales.rows, (count) / TILE), rows.columns));            \
    REQUIRE(is_sound(program, constants, scales.rows))

/* Whether parts begin at 0, end at the end, and are cut where whole vectors are. */
static int are_parts(i64_in starts, i64 count) {
    if (starts.size < 2 || starts.at[0] != 0 || starts.at[starts.size - 1] != count)
        return 0;
    for (i64 part = 0; part + 1 < starts.size; part++)
        if (starts.at[part] > starts.at[part + 1] || starts.at[part] % ALIGNED)
            return 0;
    return 1;
}

KERNEL none fill_similar_sums(
    f64_rows_in rows, f64_rows_in scales, f64_rows_in tiles, i64_rows_in program,
    f64_rows_in constants, f64_rows_in coefficients, i64_in starts, f64_rows_out sums
) {
    REQUIRE_KNOWN(coefficients.columns);
    REQUIRE(are_parts(starts, coefficients.columns));
    REQUIRE(sums.rows == rows.rows);
    REQUIRE(sums.columns == times(starts.size - 1, coefficients.rows));
    const i64 n_tiles = coefficients.columns / TILE;
    const struct known known = {scales.at, tiles.at, rows.columns, n_tiles};
    f64 slots[DEPTH][PAIR * CHUNK];
    for (i64 at = 0; at < sums.rows * sums.columns; at++)
        sums.at[at] = 0.0;
    for (i64 start = 0; start < rows.rows; start += BLOCK)
        for (i64 tile = 0; tile < n_tiles; tile += 2) {
            const int some = (int)MIN(2, n_tiles - tile);
            const i64 end = MIN(start + BLOCK, rows.rows);
            for (i64 i = start; i < end; i += PAIR) {
                const f64 *first = rows.at + i * rows.columns;
                const int count = (int)MIN(PAIR, end - i);
                if (count == PAIR)
                    run(first, PAIR, known, tile, some, program, constants, slots);
                else
                    run(first, 1, known, tile, some, program, constants, slots);
                for (int r = 0; r < count; r++)
                    add_weighted(
                        slots[0] + r * CHUNK, tile * TILE, (tile + some) * TILE, coefficients,
                        starts, sums.at + (i + r) * sums.columns
                    );
            }
        }
    return DONE;
}

KERNEL none fill_similarities(
    f64_rows_in rows, f64_rows_in scales, f64_rows_in tiles, i64_rows_in program,
    f64_rows_in constants, f64_rows_out similar
) {
    REQUIRE_KNOWN(similar.columns);
    REQUIRE(similar.rows == rows.rows);
    const i64 n_tiles = similar.columns / TILE;
    const struct known known = {scales.at, tiles.at, rows.columns, n_tiles};
    f64 slots[DEPTH][PAIR * CHUNK];
    for (i64 tile = 0; tile < n_tiles; tile += 2) {
        const int some = (int)MIN(2, n_tiles - tile);
        for (i64 i = 0; i < rows.rows; i++) {
            run(rows.at + i * rows.columns, 1, known, tile, some, program, constants, slots);
            for (int k = 0; k < some * TILE; k++)
                similar.at[i * similar.columns + tile * TILE + k] = slots[0][k];
        }
    }
    return DONE;
}
