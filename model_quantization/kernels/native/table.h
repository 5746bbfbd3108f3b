/* How the binding sees a kernel: its name, its parameters, and a function that calls it. */

#ifndef TABLE_H
#define TABLE_H

#include "kernel.h"

enum { MOST_PARAMETERS = 32 };

/* An argument: an array or a number. Of an array without fixed dimensions, `size` is all items. */
struct argument {
    union {
        void *at;
        i64 whole;
        f64 real;
    };
    i64 size, rows, columns, step;
};

/* The bytes of an item of that type: see `struct parameter`. */
static inline i64 bytes_of(char type)
{
    switch (type) {
    case 'B':
    case 'b':
        return 1;
    case 'H':
    case 'h':
        return 2;
    case 'I':
    case 'i':
    case 'f':
        return 4;
    default:
        return 8;
    }
}

/* `type` as numpy's type character: of an array's items; 'w' and 'x' are a whole and a real
   number. */
struct parameter {
    const char *name;
    char type;
    u8 written;
    u8 dimensions; /* 2; 1: with any step; 0: any number of them */
};

struct kernel {
    const char *name;
    struct outcome (*call)(const struct argument *);
    const struct parameter *parameters;
    int count;
    char result; /* 'n' none, 'i' integer, 't' truth */
};

/* Kernels compiled for one instruction set, in groups that each end with an empty kernel. A source
   that is compiled for several types makes a group for each: they follow each other, with the same
   names at the same places. */
struct instruction_set {
    const char *name;
    const struct kernel *const *groups;
};

/* The best first; an empty one ends them. */
extern const struct instruction_set instruction_sets[];

/* Whether this processor, and the system on it, can run the named set. */
int processor_has(const char *name);

#endif
