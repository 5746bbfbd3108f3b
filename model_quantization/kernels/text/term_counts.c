/* Symbols to term counts, as the rows of a sparse matrix: see term_counts.py.

   Compiled for each LABEL of u16, u32. */

#include "terms.h"

SORT_ASCENDING(i32)

/* A vocabulary as a tree: see vocabulary.py. */
struct tree {
    u32_in first;
    IN(LABEL) labels;
    u32_in number;
    i64 n_symbols;
};

/* Where `symbol` is in the ascending labels from `low` to `high`; -1: it is not. */
INLINE i64 find_child(IN(LABEL) labels, i64 low, i64 high, i64 symbol) {
    const i64 end = high;
    while (low < high) {
        const i64 middle = (low + high) >> 1;
        if ((i64)labels.at[middle] < symbol)
            low = middle + 1;
        else
            high = middle;
    }
    return low < end && (i64)labels.at[low] == symbol ? low : -1;
}

/* Append to `found` the number of every term in ids[start..end]; how many it holds then.

   A term has `least` to `most` symbols. What is no path from the root is no prefix of a term
   either, so that the walk from one place ends at the first miss. */
INLINE i64 walk(
    i32_in ids, i64 start, i64 end, i64 least, i64 most, struct tree tree, i32_out found, i64 filled
) {
    const i64 n_inner = tree.number.size;
    for (i64 place = start; place < end; place++) {
        i64 node = ids.at[place];
        if (node < 0 || node >= tree.n_symbols)
            continue;
        if (!n_inner) {
            if (least <= 1)
                found.at[filled++] = (i32)node;
            continue;
        }
        if (least <= 1 && node < n_inner && tree.number.at[node] & 1)
            found.at[filled++] = (i32)(tree.number.at[node] >> 1);
        const i64 longest = MIN(most, end - place);
        for (i64 size = 2; size <= longest; size++) {
            const i64 symbol = ids.at[place + size - 1];
            if (node >= n_inner || symbol < 0)
                break;
            const i64 low = tree.first.at[node], high = tree.first.at[node + 1];
            const i64 at = find_child(tree.labels, low, MIN(high, tree.labels.size), symbol);
            if (at < 0)
                break;
            const i64 child = tree.n_symbols + at;
            const u32 number = tree.number.at[node];
            if (child < n_inner) {
                if (size >= least && tree.number.at[child] & 1)
                    found.at[filled++] = (i32)(tree.number.at[child] >> 1);
            } else if (size >= least) {
                found.at[filled++] = (i32)((number >> 1) + (number & 1) + (u32)(at - low));
            }
            node = child;
        }
    }
    return filled;
}

/* The terms of one document in `found`; a word shorter than `least` counts as a whole. */
INLINE i64 document_terms(
    i32_in ids, i64 start, i64 end, i64 least, i64 most, i64 words, struct tree tree, i32_out found
) {
    if (!words)
        return walk(ids, start, end, least, most, tree, found, 0);
    i64 filled = 0, place = start;
    for (i64 at = start; at <= end; at++) {
        if (at == end || ids.at[at] == EDGE) {
            filled = walk(ids, place, at, MIN(least, at - place), most, tree, found, filled);
            place = at + 1;
        }
    }
    return filled;
}

KERNEL none count_terms(
    i32_in ids, i64_in id_cuts, i64 least, i64 most, i64 words, u32_in first, IN(LABEL) labels,
    u32_in number, i64 n_symbols, i32_in columns, i32_out indices, i64_out counts, i64_out rows,
    i32_out found, i32_out scratch
) {
    REQUIRE(id_cuts.size > 0 && rows.size == id_cuts.size && counts.size == indices.size);
    REQUIRE(number.size == 0 || first.size == number.size + 1);
    REQUIRE(0 < least && least <= most && found.size == scratch.size);
    const struct tree tree = {first, labels, number, n_symbols};
    i64 filled = 0;
    rows.at[0] = 0;
    for (i64 document = 0; document + 1 < id_cuts.size; document++) {
        const i64 start = id_cuts.at[document], end = id_cuts.at[document + 1];
        REQUIRE(0 <= start && start <= end && end <= ids.size);
        REQUIRE(end - start <= found.size / (most - least + 1));
        const i64 n = document_terms(ids, start, end, least, most, words, tree, found);
        REQUIRE(n <= indices.size - filled);
        if (columns.size) {
            for (i64 i = 0; i < n; i++) {
                REQUIRE(0 <= found.at[i] && found.at[i] < columns.size);
                found.at[i] = columns.at[found.at[i]];
            }
        }
        sort_ascending_i32(found.at, n, scratch.at);
        i64 distinct = filled;
        for (i64 i = 0; i < n; i++) {
            if (distinct > filled && indices.at[distinct - 1] == found.at[i]) {
                counts.at[distinct - 1]++;
            } else {
                indices.at[distinct] = found.at[i];
                counts.at[distinct++] = 1;
            }
        }
        filled = distinct;
        rows.at[document + 1] = filled;
    }
    return DONE;
}
