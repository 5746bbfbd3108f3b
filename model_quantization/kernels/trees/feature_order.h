/* Where the splits on each feature begin when they are ordered by feature. */

#ifndef FEATURE_ORDER_H
#define FEATURE_ORDER_H

#include "kernel.h"

/* Fill `at` (n_features + 1); false where a feature is out of range. */
INLINE int first_places(u32_in feature, i64 n_features, i64 *at)
{
    if (n_features < 0)
        return 0;
    for (i64 key = 0; key <= n_features; key++)
        at[key] = 0;
    UNROLLED for (i64 position = 0; position < feature.size; position++) {
        if (feature.at[position] >= n_features)
            return 0;
        at[feature.at[position] + (i64)1] += 1;
    }
    for (i64 key = 0; key < n_features; key++)
        at[key + 1] += at[key];
    return 1;
}

#endif
