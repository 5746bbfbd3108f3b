/* Vectors of doubles: products that are added, sums, and the exponential. */

#ifndef DOUBLES_H
#define DOUBLES_H

#include "vectors.h"

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

enum { LANES = VECTOR_BYTES / 8 };

VECTOR_OF(f64, numbers, LANES);
VECTOR_OF(u64, words, LANES);

INLINE numbers added_product(numbers a, numbers b, numbers sum) {
#if defined(__AVX512F__)
    return (numbers)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)sum);
#elif defined(__AVX2__) && defined(__FMA__)
    return (numbers)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)sum);
#else
    return a * b + sum;
#endif
}

#if defined(__AVX512F__) || defined(__AVX2__)
/* The sum of both halves where a vector has eight numbers: what is left to add up has four. */
INLINE __m256d folded(numbers vector) {
#if defined(__AVX512F__)
    const __m512d all = (__m512d)vector;
    return _mm256_add_pd(_mm512_castpd512_pd256(all), _mm512_extractf64x4_pd(all, 1));
#else
    return (__m256d)vector;
#endif
}

INLINE f64 sum_of(numbers vector) {
    const __m256d four = folded(vector);
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return two[0] + two[1];
}
#else
INLINE f64 sum_of(numbers vector) {
    f64 total = 0.0;
    for (int lane = 0; lane < LANES; lane++)
        total += vector[lane];
    return total;
}
#endif

/* One number in every lane. A loop over the lanes is eight instructions with gcc, this is one. */
INLINE numbers every(f64 value) {
    return value - (numbers){0};
}

/* What lies beyond either end becomes the end; what is no number stays none. */
INLINE numbers bounded(numbers x, numbers low, numbers high) {
#if defined(__AVX512F__)
    return (numbers)_mm512_min_pd((__m512d)high, _mm512_max_pd((__m512d)low, (__m512d)x));
#elif defined(__AVX2__)
    return (numbers)_mm256_min_pd((__m256d)high, _mm256_max_pd((__m256d)low, (__m256d)x));
#else
    const words is_low = (words)(x < low), is_high = (words)(x > high);
    return (numbers)(((words)x & ~is_low & ~is_high) | ((words)low & is_low) |
                     ((words)high & is_high));
#endif
}

/* The exponential of numbers from -708 to 709; beyond, that of the nearer end. A power of two,
   and the series for what is left: within two units of the last place. */
INLINE numbers exponential(numbers x) {
    const numbers rounder = every(0x1.8p52);
    x = bounded(x, every(-708.0), every(709.0));
    const numbers shifted = added_product(x, every(0x1.71547652b82fep0), rounder);
    const numbers power = shifted - rounder;
    numbers r = added_product(power, every(-0x1.62e42fee00000p-1), x);
    r = added_product(power, every(-0x1.a39ef35793c76p-33), r);
    numbers series = every(1.0 / 6227020800.0);
    static const f64 factors[] = {
        1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0, 1.0 / 40320.0,
        1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0
    };
    for (int at = 0; at < 13; at++)
        series = added_product(series, r, every(factors[at]));
    return (numbers)((words)series + ((words)shifted << 52));
}

#endif
