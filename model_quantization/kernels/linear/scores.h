/* The scores of linear maps, twenty sums in registers: what the kernels of this room begin with.

   VALUE is the type of the rows. */

#ifndef SCORES_H
#define SCORES_H

#include <math.h>

#include "doubles.h"

enum {
    CHUNK = 112, /* columns at a time: memory is asked for little by little */
    AHEAD = 8,   /* rows; four are being multiplied */
    LINE = 8     /* numbers in a cache line */
};

VECTOR_OF(VALUE, inputs, LANES);

INLINE numbers load_row(const VALUE *at) {
    return __builtin_convertvector(LOAD(inputs, at), numbers);
}

#if defined(__AVX512F__) || defined(__AVX2__)
/* Add the sums of four vectors to every `step`-th number of `out`: all four are taken at once. */
INLINE void add_sums(numbers a, numbers b, numbers c, numbers d, f64 *out, i64 step) {
    const __m256d ab = _mm256_hadd_pd(folded(a), folded(b));
    const __m256d cd = _mm256_hadd_pd(folded(c), folded(d));
    const __m256d low = _mm256_permute2f128_pd(ab, cd, 0x20);
    const __m256d sums = _mm256_add_pd(low, _mm256_permute2f128_pd(ab, cd, 0x31));
    for (int k = 0; k < 4; k++)
        out[k * step] += sums[k];
}

/* The first `count` numbers, and zeros: what lies behind them is not read. */
INLINE numbers load_some(const f64 *at, i64 count) {
#if defined(__AVX512F__)
    return (numbers)_mm512_maskz_loadu_pd((__mmask8)((1u << count) - 1), at);
#else
    static const i64 first[2 * LANES] = {-1, -1, -1, -1, 0, 0, 0, 0};
    const __m256i chosen = _mm256_loadu_si256((const __m256i *)(first + LANES - count));
    return (numbers)_mm256_maskload_pd(at, chosen);
#endif
}

INLINE numbers load_some_floats(const f32 *at, i64 count) {
#if defined(__AVX512F__)
    const __m256 some = _mm256_maskz_loadu_ps((__mmask8)((1u << count) - 1), at);
    return (numbers)_mm512_cvtps_pd(some);
#else
    static const i32 first[2 * LANES] = {-1, -1, -1, -1, 0, 0, 0, 0};
    const __m128i chosen = _mm_loadu_si128((const __m128i *)(first + LANES - count));
    return (numbers)_mm256_cvtps_pd(_mm_maskload_ps(at, chosen));
#endif
}

INLINE numbers load_some_of_row(const VALUE *at, i64 count) {
    if (sizeof(VALUE) == sizeof(f32))
        return load_some_floats((const void *)at, count);
    return load_some((const void *)at, count);
}
#else
INLINE void add_sums(numbers a, numbers b, numbers c, numbers d, f64 *out, i64 step) {
    out[0] += sum_of(a);
    out[step] += sum_of(b);
    out[2 * step] += sum_of(c);
    out[3 * step] += sum_of(d);
}

INLINE numbers load_some(const f64 *at, i64 count) {
    numbers some = {0};
    for (i64 lane = 0; lane < count; lane++)
        some[lane] = at[lane];
    return some;
}

INLINE numbers load_some_of_row(const VALUE *at, i64 count) {
    numbers some = {0};
    for (i64 lane = 0; lane < count; lane++)
        some[lane] = (f64)at[lane];
    return some;
}
#endif

INLINE f64 dot(const VALUE *row, const f64 *weight, i64 width) {
    numbers sums[2] = {{0}, {0}};
    i64 at = 0;
    for (; at + 2 * LANES <= width; at += 2 * LANES) {
        sums[0] = added_product(load_row(row + at), LOAD(numbers, weight + at), sums[0]);
        sums[1] = added_product(
            load_row(row + at + LANES), LOAD(numbers, weight + at + LANES), sums[1]
        );
    }
    for (; at + LANES <= width; at += LANES)
        sums[0] = added_product(load_row(row + at), LOAD(numbers, weight + at), sums[0]);
    if (at < width)
        sums[1] = added_product(
            load_some_of_row(row + at, width - at), load_some(weight + at, width - at), sums[1]
        );
    return sum_of(sums[0] + sums[1]);
}

/* Add the products of four rows with five columns each, over `width` features: twenty sums. What
   is left of a row beyond whole vectors is one more vector with zeros: nothing is done in scalars. */
#define FOUR_BY_FIVE(X) X(0, 0) X(1, 0) X(2, 0) X(3, 0) X(0, 1) X(1, 1) X(2, 1) X(3, 1) \
    X(0, 2) X(1, 2) X(2, 2) X(3, 2) X(0, 3) X(1, 3) X(2, 3) X(3, 3)                     \
    X(0, 4) X(1, 4) X(2, 4) X(3, 4)

INLINE void add_tile(
    const VALUE *rows, i64 row_size, const f64 *weights, i64 weight_size, i64 width,
    f64 *out, i64 out_size
) {
#define SUM(k, c) numbers s##k##c = {0};
    FOUR_BY_FIVE(SUM)
#undef SUM
/* Multiply the columns from `at` on, read by ROW and WEIGHT. */
#define ADD(c, WEIGHT)                                      \
    v = WEIGHT(weights + c * weight_size + at);             \
    s0##c = added_product(a0, v, s0##c);                    \
    s1##c = added_product(a1, v, s1##c);                    \
    s2##c = added_product(a2, v, s2##c);                    \
    s3##c = added_product(a3, v, s3##c);
#define ADD_COLUMNS(ROW, WEIGHT)                                                          \
    const numbers a0 = ROW(rows + at), a1 = ROW(rows + row_size + at);                    \
    const numbers a2 = ROW(rows + 2 * row_size + at), a3 = ROW(rows + 3 * row_size + at); \
    numbers v;                                                                            \
    ADD(0, WEIGHT) ADD(1, WEIGHT) ADD(2, WEIGHT) ADD(3, WEIGHT) ADD(4, WEIGHT)
#define ALL_WEIGHTS(place) LOAD(numbers, place)
#define SOME_WEIGHTS(place) load_some(place, width - at)
#define SOME_OF_ROW(place) load_some_of_row(place, width - at)
    i64 at = 0;
    for (; at + LANES <= width; at += LANES) {
        ADD_COLUMNS(load_row, ALL_WEIGHTS)
    }
    if (at < width) {
        ADD_COLUMNS(SOME_OF_ROW, SOME_WEIGHTS)
    }
    add_sums(s00, s10, s20, s30, out, out_size);
    add_sums(s01, s11, s21, s31, out + 1, out_size);
    add_sums(s02, s12, s22, s32, out + 2, out_size);
    add_sums(s03, s13, s23, s33, out + 3, out_size);
    add_sums(s04, s14, s24, s34, out + 4, out_size);
}

/* Ask for a share of the next rows: memory arrives while the processor multiplies. */
INLINE void ask_ahead(const VALUE *rows, i64 width, i64 from, i64 to) {
    for (i64 at = from; at < to; at += LINE)
        for (int k = 0; k < 4; k++)
            PREFETCH(rows + k * width + at);
}

/* Fill `out` with rows @ weights.T + bias; whether every score is finite. */
INLINE int fill_scores(ROWS_IN(VALUE) rows, f64_rows_in weights, f64_in bias, f64_rows_out out) {
    const i64 width = rows.columns, n_columns = weights.rows;
    const i64 fours = rows.rows - rows.rows % 4, fives = n_columns - n_columns % 5;
    for (i64 i = 0; i < rows.rows; i++)
        for (i64 c = 0; c < n_columns; c++)
            out.at[i * n_columns + c] = bias.at[c];
    for (i64 i = 0; i < fours; i += 4) {
        const VALUE *ahead = rows.at + MIN(i + AHEAD, rows.rows - 4) * width;
        for (i64 start = 0; start < width; start += CHUNK) {
            const i64 size = MIN(width - start, CHUNK);
            const VALUE *block = rows.at + i * width + start;
            f64 *scores = out.at + i * n_columns;
            for (i64 c = 0; c < fives; c += 5) {
                ask_ahead(ahead, width, start + size * c / fives, start + size * (c + 5) / fives);
                add_tile(block, width, weights.at + c * width + start, width, size, scores + c,
                         n_columns);
            }
            for (i64 c = fives; c < n_columns; c++)
                for (i64 k = 0; k < 4; k++)
                    scores[k * n_columns + c] +=
                        dot(block + k * width, weights.at + c * width + start, size);
        }
    }
    for (i64 i = fours; i < rows.rows; i++)
        for (i64 c = 0; c < n_columns; c++)
            out.at[i * n_columns + c] += dot(rows.at + i * width, weights.at + c * width, width);
    int finite = 1;
    for (i64 at = 0; at < out.rows * n_columns; at++)
        finite &= out.at[at] - out.at[at] == 0.0;
    return finite;
}

#define REQUIRE_SCORES(out)                                                        \
    REQUIRE(weights.columns == rows.columns && bias.size == weights.rows);         \
    REQUIRE((out).rows == rows.rows && (out).columns == weights.rows && weights.rows > 0)

#endif
