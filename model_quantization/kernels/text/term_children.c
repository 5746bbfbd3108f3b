/* The children of a term tree's nodes, from steps between ranks: see term_tree.py.

   Compiled for each GAP of u16, u32. Compiled for each LABEL of u16, u32.
   Compiled for each NODE of u16, u32. */

#include <string.h>

#include "kernel.h"

KERNEL truth place_children(
    IN(GAP) gaps, u32_in first, u32_in order, OUT(LABEL) labels, OUT(NODE) nodes,
    u32_out places, u32_out filled
) {
    const i64 n_symbols = order.size, n_nodes = first.size - 1;
    REQUIRE(n_nodes >= 0 && first.at[0] == 0 && first.at[n_nodes] == gaps.size);
    REQUIRE(labels.size == gaps.size && nodes.size == gaps.size);
    REQUIRE(places.size == n_symbols + 1 && filled.size == first.size);
    memset(places.at, 0, (size_t)places.size * sizeof(u32));
    memcpy(filled.at, first.at, (size_t)first.size * sizeof(u32));
    for (i64 symbol = 0; symbol < n_symbols; symbol++)
        REQUIRE(order.at[symbol] < n_symbols);
    for (i64 node = 0; node < n_nodes; node++) {
        i64 rank = -1;
        REQUIRE(first.at[node] <= first.at[node + 1]);
        for (i64 i = first.at[node]; i < first.at[node + 1]; i++) {
            rank += (i64)gaps.at[i] + 1;
            if (rank >= n_symbols)
                RETURN(0);
            labels.at[i] = (LABEL)order.at[rank];
            places.at[order.at[rank] + 1]++;
        }
    }
    for (i64 symbol = 0; symbol < n_symbols; symbol++)
        places.at[symbol + 1] += places.at[symbol];
    for (i64 node = 0; node < n_nodes; node++)
        for (i64 i = first.at[node]; i < first.at[node + 1]; i++)
            nodes.at[places.at[labels.at[i]]++] = (NODE)node;
    i64 at = 0;
    for (i64 symbol = 0; symbol < n_symbols; symbol++)
        for (; at < places.at[symbol]; at++)
            labels.at[filled.at[nodes.at[at]]++] = (LABEL)symbol;
    RETURN(1);
}
