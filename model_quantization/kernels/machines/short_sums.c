/* Weighted sums of Gaussian similarities in single precision: see short_sums.py.

   Known rows lie in tiles of 32, feature by feature. Eight rows pass a tile together; what a row has
   added up stays in lanes until its part of the known rows ends. A block of rows stays in the
   nearest cache while it passes the tiles. */

#include <math.h>

#include "vectors.h"

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

enum { TILE = 32, MANY = VECTOR_BYTES == 64 ? 8 : VECTOR_BYTES == 32 ? 2 : 1, BLOCK = 64 };
enum { LANES = VECTOR_BYTES / 4, VECTORS = TILE / LANES, MOST_COLUMNS = 16 };
enum { TILES_OF_ONE = VECTOR_BYTES == 64 ? 4 : 1, MOST_VECTORS = TILES_OF_ONE * VECTORS };

VECTOR_OF(f32, shorts, LANES);
VECTOR_OF(u32, wholes, LANES);

INLINE shorts every(f32 value) {
    return value - (shorts){0};
}

INLINE shorts added_product(shorts a, shorts b, shorts sum) {
#if defined(__AVX512F__)
    return (shorts)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)sum);
#elif defined(__AVX2__) && defined(__FMA__)
    return (shorts)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)sum);
#else
    return a * b + sum;
#endif
}

/* What is below -87, or no number, becomes -87. */
INLINE shorts from_least(shorts x) {
#if defined(__AVX512F__)
    return (shorts)_mm512_max_ps((__m512)x, _mm512_set1_ps(-87.0f));
#elif defined(__AVX2__)
    return (shorts)_mm256_max_ps((__m256)x, _mm256_set1_ps(-87.0f));
#else
    const wholes fits = (wholes)(x > every(-87.0f));
    return (shorts)(((wholes)x & fits) | ((wholes)every(-87.0f) & ~fits));
#endif
}

/* The exponential of numbers up to 80: a power of two, and the series of what is left. */
INLINE shorts exponential(shorts x) {
    x = from_least(x);
    const shorts rounder = every(0x1.8p23f);
    const shorts shifted = added_product(x, every(0x1.715476p0f), rounder);
    const shorts power = shifted - rounder;
    shorts r = added_product(power, every(-0x1.62e4p-1f), x);
    r = added_product(power, every(-0x1.7f7d1cp-20f), r);
    shorts series = every(1.0f / 5040.0f);
    static const f32 factors[] = {
        1.0f / 720.0f, 1.0f / 120.0f, 1.0f / 24.0f, 1.0f / 6.0f, 0.5f, 1.0f, 1.0f
    };
    for (int at = 0; at < 7; at++)
        series = added_product(series, r, every(factors[at]));
    /* Times a power of two: gcc -fanalyzer takes a shift of vectors for one too far. */
    return (shorts)((wholes)series + (wholes)shifted * (1 << 23));
}

/* Add what `count` rows have of some tiles: one row alone would wait for its sums. */
INLINE void add_tiles(
    const f32 *rows, int count, int vectors, i64 width, const f32 *heights, const f32 *tile,
    const f32 *tile_heights, const f32 *coefficients, i64 columns, i64 known, f32 *lanes
) {
    shorts sums[MANY][MOST_VECTORS];
    for (int r = 0; r < count; r++)
        for (int v = 0; v < vectors; v++)
            sums[r][v] = LOAD(shorts, tile_heights + v * LANES) + every(heights[r]);
    for (i64 f = 0; f < width; f++) {
        shorts each[MOST_VECTORS];
        for (int v = 0; v < vectors; v++)
            each[v] = LOAD(
                shorts, tile + (v / VECTORS * width + f) * TILE + v % VECTORS * LANES
            );
        for (int r = 0; r < count; r++) {
            const shorts value = every(rows[r * width + f]);
            for (int v = 0; v < vectors; v++)
                sums[r][v] = added_product(value, each[v], sums[r][v]);
        }
    }
    for (int r = 0; r < count; r++) {
        for (int v = 0; v < vectors; v++)
            sums[r][v] = exponential(sums[r][v]);
        for (i64 c = 0; c < columns; c++) {
            f32 *own = lanes + (r * columns + c) * LANES;
            shorts total = LOAD(shorts, own);
            for (int v = 0; v < vectors; v++)
                total = added_product(
                    sums[r][v], LOAD(shorts, coefficients + c * known + v * LANES), total
                );
            STORE(shorts, own, total);
        }
    }
}

KERNEL none fill_short_sums(
    f32_rows_in rows, f32_in heights, f32_rows_in tiles, f32_in tile_heights,
    f32_rows_in coefficients, i64_in starts, f64_rows_out sums
) {
    const i64 width = rows.columns, known = coefficients.columns, columns = coefficients.rows;
    REQUIRE(width > 0 && heights.size == rows.rows && tiles.columns == TILE && known % TILE == 0);
    REQUIRE(tiles.rows == times(known / TILE, width) && tile_heights.size == known);
    REQUIRE(columns > 0 && columns <= MOST_COLUMNS && starts.size > 1 && starts.at[0] == 0);
    REQUIRE(starts.at[starts.size - 1] == known && sums.rows == rows.rows);
    REQUIRE(sums.columns == times(starts.size - 1, columns));
    for (i64 part = 0; part + 1 < starts.size; part++)
        REQUIRE(starts.at[part] <= starts.at[part + 1] && starts.at[part] % TILE == 0);
    f32 lanes[BLOCK * MOST_COLUMNS * LANES];
    for (i64 start = 0; start < rows.rows; start += BLOCK) {
        const i64 size = MIN(BLOCK, rows.rows - start);
        for (i64 part = 0; part + 1 < starts.size; part++) {
            for (i64 k = 0; k < size * columns * LANES; k++)
                lanes[k] = 0.0f;
#define TILES_OF(ROWS, TILES)                                                                             \
    add_tiles(                                                                                    \
        rows.at + (start + i) * width, ROWS, (TILES) * VECTORS, width, heights.at + start + i,    \
        tiles.at + at / TILE * width * TILE, tile_heights.at + at, coefficients.at + at, columns, \
        known, lanes + i * columns * LANES                                                        \
    )
            const i64 whole = size / MANY * MANY, end = starts.at[part + 1];
            for (i64 at = starts.at[part]; whole && at < end; at += TILE)
                for (i64 i = 0; i < whole; i += MANY)
                    TILES_OF(MANY, 1);
            for (i64 i = whole; i < size; i++) {
                i64 at = starts.at[part];
                for (; at + TILES_OF_ONE * TILE <= end; at += TILES_OF_ONE * TILE)
                    TILES_OF(1, TILES_OF_ONE);
                for (; at < end; at += TILE)
                    TILES_OF(1, 1);
            }
#undef TILES_OF
            for (i64 i = 0; i < size; i++)
                for (i64 c = 0; c < columns; c++) {
                    f64 total = 0.0;
                    for (int k = 0; k < LANES; k++)
                        total += (f64)lanes[(i * columns + c) * LANES + k];
                    sums.at[(start + i) * sums.columns + part * columns + c] = total;
                }
        }
    }
    return DONE;
}

KERNEL none fill_short_rows(
    f64_rows_in rows, f64_in middle, f64 scale, f64 reach, f64 share, f64 rest, f32_rows_out moved,
    f32_out heights, f64_out off
) {
    REQUIRE(middle.size == rows.columns && moved.rows == rows.rows);
    REQUIRE(moved.columns == rows.columns && heights.size == rows.rows && off.size == rows.rows);
    for (i64 i = 0; i < rows.rows; i++) {
        f64 square = 0.0;
        for (i64 f = 0; f < rows.columns; f++) {
            const f64 value = (rows.at[i * rows.columns + f] - middle.at[f]) * scale;
            square += value * value;
            moved.at[i * rows.columns + f] = (f32)value;
        }
        const f64 far = sqrt(square) + reach, doubt = share * (far * far);
        const int is_near = doubt < 0.01;
        heights.at[i] = is_near ? (f32)(-0.5 * square) : 0.0f;
        off.at[i] = is_near ? 1.02 * doubt + rest : __builtin_inf();
    }
    return DONE;
}
