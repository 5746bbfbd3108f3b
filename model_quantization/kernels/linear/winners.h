/* The largest of some scores, and whether it is the largest beyond any rounding. */

#ifndef WINNERS_H
#define WINNERS_H

#include "kernel.h"

/* Write the index of the first largest score, 0 where one is not finite; whether all are finite
   and the next is more than `slack` below it. */
INLINE int clear_winner(const f64 *scores, i64 count, f64 slack, i64 *winner) {
    i64 best = 0;
    f64 most = scores[0], next = -__builtin_inf(), odd = scores[0] - scores[0];
    for (i64 c = 1; c < count; c++) {
        const f64 score = scores[c];
        odd += score - score;
        next = score > most ? most : MAX(score, next);
        best = score > most ? c : best;
        most = MAX(score, most);
    }
    *winner = odd == 0.0 ? best : 0;
    return odd == 0.0 && most - next > slack;
}

#endif
