/* Networks whose weights are codes of a byte: see coded_layers.py.

   Compiled for each VALUE of f32, f64.
   Compiled for each WORK of f32, f64.

   VALUE is the type of the rows. In f32 an input of a layer is one whole number of 16 bits, in f64
   two of them, the planes. Weights lie in panels of 16 outputs, and two inputs of an output beside
   each other: one instruction multiplies and adds such pairs. What a tile has added up is scaled,
   shifted and cut off while it is at hand; a block of rows goes through all layers in the nearest
   cache. */

#include <math.h>
#include <string.h>

#include "vectors.h"
#include "winners.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

enum { PANEL = 16, PLANES_OF = sizeof(WORK) / sizeof(f32), SHAPE = 3, MOST_BITS = 15 };
enum { VECTORS = 4 * PANEL / VECTOR_BYTES };
/* Planes and panels that are multiplied at once: as many sums as there are registers, and few loads
   for each; those of few planes would otherwise wait for each other. */
enum { MANY = VECTORS == 1 ? 6 : VECTORS == 2 ? 4 : 2, PANELS_OF_MANY = VECTORS == 1 ? 2 : 1 };
enum { FEW = PLANES_OF, PANELS_OF_FEW = VECTORS == 1 ? 4 : 2 };
enum { MOST_AT_ONCE = 6, MOST_PANELS = 4 };

VECTOR_OF(i8, short_codes, VECTOR_BYTES / 2);
VECTOR_OF(i16, codes_of_pairs, VECTOR_BYTES / 2);
VECTOR_OF(u32, sums_of_pairs, VECTOR_BYTES / 4);

enum { LANES = VECTOR_BYTES / sizeof(WORK), DOUBLES = VECTOR_BYTES / 8 };

VECTOR_OF(WORK, numbers, LANES);
#define f32_BITS u32
#define f64_BITS u64
VECTOR_OF(JOIN(WORK, _BITS), bits, LANES);
VECTOR_OF(u32, wholes, LANES);
VECTOR_OF(i32, signed_wholes, LANES);
VECTOR_OF(u16, short_wholes, LANES);
VECTOR_OF(f64, doubles, DOUBLES);
VECTOR_OF(u64, words, DOUBLES);
VECTOR_OF(VALUE, given_numbers, DOUBLES);
VECTOR_OF(WORK, kept_numbers, DOUBLES);

/* Sums plus the products of each pair; they wrap round, which what packs the codes rules out. */
INLINE sums_of_pairs add_pairs(sums_of_pairs sums, codes_of_pairs a, codes_of_pairs b) {
#if defined(__AVX512VNNI__)
    return (sums_of_pairs)_mm512_dpwssd_epi32((__m512i)sums, (__m512i)a, (__m512i)b);
#elif defined(__AVX512F__)
    return sums + (sums_of_pairs)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return sums + (sums_of_pairs)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return sums + (sums_of_pairs)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
    for (int k = 0; k < VECTOR_BYTES / 4; k++)
        sums[k] += (u32)((i32)a[2 * k] * b[2 * k]) + (u32)((i32)a[2 * k + 1] * b[2 * k + 1]);
    return sums;
#endif
}

/* Codes of two inputs and some outputs, as they are multiplied. */
INLINE codes_of_pairs load_codes(const i8 *at) {
#if defined(__AVX512F__)
    return (codes_of_pairs)_mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)at));
#elif defined(__AVX2__)
    return (codes_of_pairs)_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)at));
#else
    return __builtin_convertvector(LOAD(short_codes, at), codes_of_pairs);
#endif
}

INLINE codes_of_pairs pair_everywhere(const i16 *at) {
    u32 pair;
    memcpy(&pair, at, sizeof pair);
    return (codes_of_pairs)(pair + (sums_of_pairs){0});
}

/* The sums of some panels for some planes, which are `stride` numbers apart. */
INLINE void multiply(
    const i16 *planes, i64 stride, int count, const i8 *codes, int panels, i64 pairs,
    i32 (*found)[MOST_AT_ONCE][PANEL]
) {
    sums_of_pairs sums[MOST_AT_ONCE][MOST_PANELS * VECTORS];
    for (int r = 0; r < count; r++)
        for (int v = 0; v < panels * VECTORS; v++)
            sums[r][v] = (sums_of_pairs){0};
    for (i64 k = 0; k < pairs; k++) {
        codes_of_pairs each[MOST_PANELS * VECTORS];
        for (int v = 0; v < panels * VECTORS; v++)
            each[v] = load_codes(
                codes + (v / VECTORS * pairs + k) * 2 * PANEL + v % VECTORS * (VECTOR_BYTES / 2)
            );
        for (int r = 0; r < count; r++) {
            const codes_of_pairs input = pair_everywhere(planes + r * stride + 2 * k);
            for (int v = 0; v < panels * VECTORS; v++)
                sums[r][v] = add_pairs(sums[r][v], input, each[v]);
        }
    }
    for (int r = 0; r < count; r++)
        for (int v = 0; v < panels * VECTORS; v++)
            STORE(
                sums_of_pairs, found[v / VECTORS][r] + v % VECTORS * (VECTOR_BYTES / 4), sums[r][v]
            );
}

#define WHOLE_PANELS(count) (((count) + PANEL - 1) / PANEL * PANEL)

/* The larger of each two numbers; `other` where one is none. */
INLINE numbers larger(numbers one, numbers other) {
#if defined(__AVX512F__)
    if (sizeof(WORK) == sizeof(f32))
        return (numbers)_mm512_max_ps((__m512)one, (__m512)other);
    return (numbers)_mm512_max_pd((__m512d)one, (__m512d)other);
#elif defined(__AVX2__)
    if (sizeof(WORK) == sizeof(f32))
        return (numbers)_mm256_max_ps((__m256)one, (__m256)other);
    return (numbers)_mm256_max_pd((__m256d)one, (__m256d)other);
#else
    const bits chosen = (bits)(one > other);
    return (numbers)(((bits)one & chosen) | ((bits)other & ~chosen));
#endif
}

INLINE numbers every(WORK value) {
    return value - (numbers){0};
}

INLINE WORK largest_of(numbers all) {
    WORK most = 0;
    for (int k = 0; k < LANES; k++)
        most = MAX(all[k], most);
    return most;
}

/* Write a row, which is filled up to whole panels, as whole numbers of a step, in one plane or two;
   the step is returned. A number plus half of what a float's digits can hold is rounded. */
INLINE f64 round_row(const WORK *row, i64 count, WORK most, i64 n_bits, i16 *plane, i64 stride) {
    const WORK limit = (WORK)((((i64)1 << n_bits) - 1) << (PLANES_OF == 2 ? n_bits : 0));
    const int is_small = !(most >= (WORK)0x1p-100);
    const numbers inverse = every(is_small ? 0 : limit / most);
    const numbers rounder = every((WORK)(PLANES_OF == 1 ? 0x1.8p23 : 0x1.8p52));
    for (i64 c = 0; c < WHOLE_PANELS(count); c += LANES) {
        const bits rounded = (bits)(LOAD(numbers, row + c) * inverse + rounder);
        if (PLANES_OF == 1) {
            STORE(short_wholes, plane + c, __builtin_convertvector(rounded, short_wholes));
            continue;
        }
        const wholes low = __builtin_convertvector(rounded, wholes);
        const wholes high = (wholes)((signed_wholes)(low + (1u << (n_bits - 1))) >> (int)n_bits);
        STORE(short_wholes, plane + c, __builtin_convertvector(high, short_wholes));
        const wholes rest = low - (high << (int)n_bits);
        STORE(short_wholes, plane + stride + c, __builtin_convertvector(rest, short_wholes));
    }
    return is_small ? 2.0 * (f64)most : (f64)(most / limit);
}

/* The outputs of a panel from its sums; the largest of each lane stays in `most`. */
INLINE void finish(
    const i32 (*sums)[PANEL], i64 n_bits, WORK step, const WORK *scale, const WORK *shift, int cut,
    WORK *out, numbers *most
) {
    const numbers steps = every(step), zero = every(0), plane = every((WORK)((i64)1 << n_bits));
    for (int c = 0; c < PANEL; c += LANES) {
        numbers sum = __builtin_convertvector(LOAD(signed_wholes, sums[0] + c), numbers);
        if (PLANES_OF == 2)
            sum = sum * plane +
                  __builtin_convertvector(LOAD(signed_wholes, sums[1] + c), numbers);
        numbers value = sum * steps * LOAD(numbers, scale + c) + LOAD(numbers, shift + c);
        if (cut)
            value = larger(value, zero);
        STORE(numbers, out + c, value);
        *most = larger(cut ? value : larger(value, -value), *most);
    }
}

INLINE doubles larger_double(doubles one, doubles other) {
#if defined(__AVX512F__)
    return (doubles)_mm512_max_pd((__m512d)one, (__m512d)other);
#elif defined(__AVX2__)
    return (doubles)_mm256_max_pd((__m256d)one, (__m256d)other);
#else
    const words chosen = (words)(one > other);
    return (doubles)(((words)one & chosen) | ((words)other & ~chosen));
#endif
}

INLINE doubles size_of_each(doubles all) {
    return (doubles)((words)all & ~(1ull << 63));
}

/* Scale and shift a row; what is largest in it, and the farthest that a number came from, which is
   not finite where a number is not. */
INLINE WORK scale_row(
    const VALUE *row, const f64 *scale, const f64 *shift, i64 width, WORK *out, f64 *farthest
) {
    doubles reach = {0}, most = {0}, odd = {0};
    i64 at = 0;
    for (; at + DOUBLES <= width; at += DOUBLES) {
        const doubles given = __builtin_convertvector(LOAD(given_numbers, row + at), doubles);
        const doubles scaled = given * LOAD(doubles, scale + at), other = LOAD(doubles, shift + at);
        const doubles value = scaled + other;
        STORE(kept_numbers, out + at, __builtin_convertvector(value, kept_numbers));
        reach = larger_double(size_of_each(scaled) + size_of_each(other), reach);
        most = larger_double(size_of_each(value), most);
        odd += value - value;
    }
    for (; at < width; at++) {
        const f64 scaled = (f64)row[at] * scale[at], value = scaled + shift[at];
        const f64 far = fabs(scaled) + fabs(shift[at]);
        out[at] = (WORK)value;
        reach[0] = MAX(far, reach[0]);
        most[0] = MAX(fabs(value), most[0]);
        odd[0] += value - value;
    }
    for (at = width; at < WHOLE_PANELS(width); at++)
        out[at] = 0;
    for (int k = 1; k < DOUBLES; k++) {
        reach[0] = MAX(reach[k], reach[0]);
        most[0] = MAX(most[k], most[0]);
        odd[0] += odd[k];
    }
    *farthest = reach[0] + odd[0];
    return (WORK)most[0];
}

struct layer {
    i64 inputs, outputs, n_bits;
    const i8 *codes;
    const WORK *scale, *shift;
};

/* Some panels of a layer for some rows, whose planes lie beside each other. */
INLINE void run_tile(
    struct layer layer, i64 first, int planes_now, i64 panel, int panels, int cut, const WORK *steps,
    const i16 *planes, i64 stride, WORK *values, i64 width, numbers *most
) {
    const i64 pairs = (layer.inputs + 1) / 2;
    i32 sums[MOST_PANELS][MOST_AT_ONCE][PANEL];
    multiply(
        planes + first * PLANES_OF * stride, stride, planes_now,
        layer.codes + panel * pairs * 2 * PANEL, panels, pairs, sums
    );
    for (int p = 0; p < panels; p++)
        for (int k = 0; k < planes_now; k += PLANES_OF) {
            const i64 i = first + k / PLANES_OF, from = (panel + p) * PANEL;
            finish(
                sums[p] + k, layer.n_bits, steps[i], layer.scale + from, layer.shift + from, cut,
                values + i * width + from, most + i
            );
        }
}

/* One layer of `count` rows, from their planes to their values; what is largest in each. */
INLINE void run_layer(
    struct layer layer, i64 count, int cut, const WORK *steps, const i16 *planes, i64 stride,
    WORK *values, i64 width, numbers *most
) {
    const i64 panels = WHOLE_PANELS(layer.outputs) / PANEL;
    const i64 in_tiles = count * PLANES_OF / MANY * MANY / PLANES_OF;
    i64 panel = 0;
#define TILE(PLANES, PANELS) \
    run_tile(layer, i, PLANES, panel, PANELS, cut, steps, planes, stride, values, width, most)
    for (; in_tiles && panel + PANELS_OF_MANY <= panels; panel += PANELS_OF_MANY)
        for (i64 i = 0; i < in_tiles; i += MANY / PLANES_OF)
            TILE(MANY, PANELS_OF_MANY);
    for (; in_tiles && panel < panels; panel++)
        for (i64 i = 0; i < in_tiles; i += MANY / PLANES_OF)
            TILE(MANY, 1);
    panel = 0;
    for (; panel + PANELS_OF_FEW <= panels; panel += PANELS_OF_FEW)
        for (i64 i = in_tiles; i < count; i++)
            TILE(FEW, PANELS_OF_FEW);
    for (; panel < panels; panel++)
        for (i64 i = in_tiles; i < count; i++)
            TILE(FEW, 1);
#undef TILE
}

enum { MOST_ROWS = 48 };

/* Whether layers follow on each other, and there is room for each. */
static int are_layers(i64_rows_in layers, i64 width, i64 room, i64 stride) {
    for (i64 l = 0; l < layers.rows; l++) {
        const i64 *shape = layers.at + l * SHAPE;
        if (shape[0] <= 0 || shape[1] <= 0 || shape[2] < 1 || shape[2] > MOST_BITS)
            return 0;
        if (shape[0] != width || shape[0] > room || shape[0] > stride || shape[1] > room)
            return 0;
        if (WHOLE_PANELS(shape[0]) > MIN(room, stride) || WHOLE_PANELS(shape[1]) > room)
            return 0;
        width = shape[1];
    }
    return layers.rows > 0;
}

static i64 size_of(i64_rows_in layers, int of_codes) {
    i64 size = 0;
    for (i64 l = 0; l < layers.rows; l++) {
        const i64 *shape = layers.at + l * SHAPE;
        const i64 outputs = WHOLE_PANELS(shape[1]);
        size = plus(size, of_codes ? times(outputs, shape[0] + shape[0] % 2) : outputs);
    }
    return size;
}

KERNEL integer fill_coded_layers(
    ROWS_IN(VALUE) rows, f64_rows_in affine, i64_rows_in layers, i8_in codes, ROWS_IN(WORK) outer,
    f64_in doubts, i64 cut, i16_rows_out planes, ROWS_OUT(WORK) values, f64_rows_out scores,
    f64_out slack, i64_out winners
) {
    const i64 width = rows.columns, block = values.rows;
    REQUIRE(layers.columns == SHAPE && are_layers(layers, width, values.columns, planes.columns));
    REQUIRE(affine.rows == 2 && affine.columns == width);
    REQUIRE(codes.size == size_of(layers, 1));
    REQUIRE(outer.rows == 2 && outer.columns == size_of(layers, 0));
    REQUIRE(doubts.size == layers.rows + 2);
    REQUIRE(block > 0 && block <= MOST_ROWS && planes.rows == block * PLANES_OF);
    REQUIRE(scores.rows == rows.rows && scores.columns == layers.at[layers.rows * SHAPE - 2]);
    REQUIRE(slack.size == rows.rows && (winners.size == 0 || winners.size == rows.rows));
    const i64 stride = planes.columns, room = values.columns, n_outputs = scores.columns;
    i64 unclear = 0;
    for (i64 start = 0; start < rows.rows; start += block) {
        const i64 count = MIN(block, rows.rows - start);
        WORK steps[MOST_ROWS];
        numbers most[MOST_ROWS];
        for (i64 i = 0; i < count; i++) {
            WORK *value = values.at + i * room;
            f64 reach;
            const WORK largest = scale_row(
                rows.at + (start + i) * width, affine.at, affine.at + width, width, value, &reach
            );
            const f64 step = round_row(
                value, width, largest, layers.at[2], planes.at + i * PLANES_OF * stride, stride
            );
            steps[i] = (WORK)step;
            slack.at[start + i] = doubts.at[0] + reach * doubts.at[1] + step * doubts.at[2];
        }
        struct layer layer = {0, 0, 0, codes.at, outer.at, outer.at + outer.columns};
        for (i64 l = 0; l < layers.rows; l++) {
            const i64 *shape = layers.at + l * SHAPE;
            const int is_last = l + 1 == layers.rows;
            layer.inputs = shape[0];
            layer.outputs = shape[1];
            layer.n_bits = shape[2];
            for (i64 i = 0; i < count; i++)
                most[i] = every(0);
            if (l < cut)
                run_layer(layer, count, 1, steps, planes.at, stride, values.at, room, most);
            else
                run_layer(layer, count, 0, steps, planes.at, stride, values.at, room, most);
            const i64 outputs = WHOLE_PANELS(layer.outputs);
            layer.codes += outputs * (layer.inputs + layer.inputs % 2);
            layer.scale += outputs;
            layer.shift += outputs;
            for (i64 i = 0; i < count && !is_last; i++) {
                const f64 step = round_row(
                    values.at + i * room, layer.outputs, largest_of(most[i]), shape[SHAPE + 2],
                    planes.at + i * PLANES_OF * stride, stride
                );
                steps[i] = (WORK)step;
                slack.at[start + i] += step * doubts.at[3 + l];
            }
        }
        for (i64 i = 0; i < count; i++) {
            const i64 at = start + i;
            f64 *score = scores.at + at * n_outputs;
            for (i64 c = 0; c < n_outputs; c++)
                score[c] = (f64)values.at[i * room + c];
            if (!winners.size)
                continue;
            int is_clear;
            if (n_outputs == 1) {
                winners.at[at] = score[0] > 0.0;
                is_clear = fabs(score[0]) > slack.at[at];
            } else {
                is_clear = clear_winner(score, n_outputs, slack.at[at], winners.at + at);
            }
            if (!is_clear)
                winners.at[at] = -1;
            unclear += !is_clear;
        }
    }
    RETURN(unclear);
}
