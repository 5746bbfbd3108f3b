/* Kernels without Python: recorded calls are run again, or run with mutated arguments.

       standalone check CALLS           every call, in every instruction set of this processor
       standalone fuzz CALLS COUNT SEED so many mutated calls in all, the same number per kernel

   CALLS is what tests/kernels/agreement.py writes: arguments, and what the numpy reference made of
   them. Every array is given memory of exactly its size, so that a sanitizer sees whatever lies
   beside it. A kernel may refuse arguments (its requirements); anything else is a finding. */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "table.h"

enum { LONGEST_NAME = 64, SECONDS_PER_CALL = 20, MOST_MUTATIONS = 5, LARGEST_FUZZED = 1 << 11 };

struct given {
    char letter; /* a type of arrays, or # for a number */
    u8 compared;
    i64 whole;
    f64 real;
    i64 size, rows, columns;
    u8 *before, *after;
};

struct call {
    char name[LONGEST_NAME + 1];
    int count;
    f64 rtol, atol;
    u8 has_result;
    i64 result;
    struct given given[MOST_PARAMETERS];
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "standalone: %s\n", what);
    exit(2);
}

static void *memory(i64 bytes)
{
    void *made = malloc(bytes > 0 ? (size_t)bytes : 1);
    if (!made)
        fail("no memory");
    return made;
}

static void take(FILE *file, void *into, i64 bytes)
{
    if (bytes && fread(into, 1, (size_t)bytes, file) != (size_t)bytes)
        fail("the recorded calls end early");
}

static int read_call(FILE *file, struct call *call)
{
    u8 length, count;
    if (fread(&length, 1, 1, file) != 1)
        return 0;
    memset(call, 0, sizeof *call);
    take(file, call->name, MIN(length, LONGEST_NAME));
    take(file, &count, 1);
    call->count = count;
    take(file, &call->rtol, 8);
    take(file, &call->atol, 8);
    take(file, &call->has_result, 1);
    take(file, &call->result, 8);
    for (int at = 0; at < call->count; at++) {
        struct given *given = call->given + at;
        take(file, &given->letter, 1);
        if (given->letter == '#') {
            take(file, &given->whole, 8);
            take(file, &given->real, 8);
            continue;
        }
        take(file, &given->compared, 1);
        take(file, &given->size, 8);
        take(file, &given->rows, 8);
        take(file, &given->columns, 8);
        const i64 bytes = given->size * bytes_of(given->letter);
        given->before = memory(bytes);
        take(file, given->before, bytes);
        if (given->compared) {
            given->after = memory(bytes);
            take(file, given->after, bytes);
        }
    }
    return 1;
}

/* The kernel of this name and these types in a set; NULL where there is none. */
static const struct kernel *find(const struct instruction_set *set, const struct call *call)
{
    for (const struct kernel *const *group = set->groups; *group; group++)
        for (const struct kernel *kernel = *group; kernel->name; kernel++) {
            int at = 0;
            if (strcmp(kernel->name, call->name) || kernel->count != call->count)
                continue;
            while (at < call->count) {
                const char type = kernel->parameters[at].type, letter = call->given[at].letter;
                if (letter == '#' ? type != 'w' && type != 'x' : type != letter)
                    break;
                at++;
            }
            if (at == call->count)
                return kernel;
        }
    return NULL;
}

static void prepare(const struct kernel *kernel, const struct call *call,
                    struct argument *arguments)
{
    for (int at = 0; at < call->count; at++) {
        const struct given *given = call->given + at;
        memset(arguments + at, 0, sizeof *arguments);
        if (kernel->parameters[at].type == 'w') {
            arguments[at].whole = given->whole;
        } else if (kernel->parameters[at].type == 'x') {
            arguments[at].real = given->real;
        } else {
            const i64 bytes = given->size * bytes_of(given->letter);
            arguments[at].at = memory(bytes);
            memcpy(arguments[at].at, given->before, (size_t)bytes);
            arguments[at].size = given->size;
            arguments[at].step = bytes_of(given->letter);
            arguments[at].rows = given->rows;
            arguments[at].columns = given->columns;
        }
    }
}

static void let_go(const struct call *call, struct argument *arguments)
{
    for (int at = 0; at < call->count; at++)
        if (call->given[at].letter != '#')
            free(arguments[at].at);
}

/* Kernels whose `exp` and `log` are the C library's: another one may give other last bits. */
static const char *const OF_LIBRARY[] = {
    "exponential", "log_one_plus_exp", "logistic", "normalized_exponentials", NULL
};
static const f64 LIBRARY_ULPS = 0x1p-50;
static int is_elsewhere = 0; /* whether the calls were recorded with another C library */

static f64 relative_tolerance(const struct call *call)
{
    for (int at = 0; is_elsewhere && OF_LIBRARY[at]; at++)
        if (!strcmp(call->name, OF_LIBRARY[at]))
            return call->rtol > LIBRARY_ULPS ? call->rtol : LIBRARY_ULPS;
    return call->rtol;
}

static int close_enough(f64 mine, f64 theirs, const struct call *call)
{
    if (isnan(theirs))
        return isnan(mine);
    const f64 rtol = relative_tolerance(call);
    if (rtol > 0.0 || call->atol > 0.0)
        return mine == theirs || fabs(mine - theirs) <= call->atol + rtol * fabs(theirs);
    return mine == theirs && signbit(mine) == signbit(theirs);
}

static int equal(const struct call *call, const struct given *given, const void *found)
{
    if (given->letter == 'f') {
        const f32 *mine = found, *theirs = (const void *)given->after;
        for (i64 at = 0; at < given->size; at++)
            if (!close_enough(mine[at], theirs[at], call))
                return 0;
        return 1;
    }
    if (given->letter == 'd') {
        const f64 *mine = found, *theirs = (const void *)given->after;
        for (i64 at = 0; at < given->size; at++)
            if (!close_enough(mine[at], theirs[at], call))
                return 0;
        return 1;
    }
    return !memcmp(found, given->after, (size_t)(given->size * bytes_of(given->letter)));
}

/* Whether a set's kernel gives what its reference gave. */
static int agrees(const struct instruction_set *set, const struct call *call)
{
    struct argument arguments[MOST_PARAMETERS];
    const struct kernel *kernel = find(set, call);
    if (!kernel) {
        printf("%s: no such kernel in %s\n", call->name, set->name);
        return 0;
    }
    prepare(kernel, call, arguments);
    const struct outcome outcome = kernel->call(arguments);
    int good = !outcome.broken;
    if (!good)
        printf("%s (%s): refused: %s\n", call->name, set->name, outcome.broken);
    const i64 value = kernel->result == 't' ? outcome.value != 0 : outcome.value;
    if (good && call->has_result && value != call->result) {
        printf("%s (%s): returned %lld, expected %lld\n", call->name, set->name, (long long)value,
               (long long)call->result);
        good = 0;
    }
    for (int at = 0; good && at < call->count; at++)
        if (call->given[at].compared && !equal(call, call->given + at, arguments[at].at)) {
            printf("%s (%s): argument %d differs\n", call->name, set->name, at);
            good = 0;
        }
    let_go(call, arguments);
    return good;
}

static int check(const struct call *calls, i64 count)
{
    i64 wrong = 0;
    for (const struct instruction_set *set = instruction_sets; set->name; set++) {
        if (!processor_has(set->name)) {
            printf("%s: not here\n", set->name);
            continue;
        }
        i64 bad = 0;
        for (i64 at = 0; at < count; at++)
            bad += !agrees(set, calls + at);
        printf("%s: %lld calls, %lld differ\n", set->name, (long long)count, (long long)bad);
        wrong += bad;
    }
    return wrong != 0;
}

/* Fuzzing ------------------------------------------------------------------------------------ */

static u64 state;

static u64 random_bits(void) /* xorshift64*, S. Vigna */
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 2685821657736338717ULL;
}

static i64 below(i64 limit)
{
    return limit > 0 ? (i64)(random_bits() % (u64)limit) : 0;
}

static i64 odd_number(void)
{
    static const i64 odd[] = {0, 1, -1, 2, 3, 4, 7, 8, 63, 64, 65, 127, 128, 255, 256, 65535, 65536,
                              INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, -2, 1LL << 31, 1LL << 40};
    return odd[below(sizeof odd / sizeof *odd)];
}

static void put(u8 *item, i64 bytes, i64 value)
{
    memcpy(item, &value, (size_t)bytes); /* little endian, as everything here */
}

static void mutate_items(const struct given *given, struct argument *argument)
{
    const i64 width = bytes_of(given->letter);
    u8 *bytes = argument->at, *item = bytes + width * below(argument->size);
    if (argument->size == 0)
        return;
    switch (below(6)) {
    case 0:
        bytes[below(argument->size * width)] ^= (u8)(1u << below(8));
        break;
    case 1:
        bytes[below(argument->size * width)] = (u8)random_bits();
        break;
    case 2:
        put(item, width, odd_number());
        break;
    case 3: { /* a neighbour of what is there, or of a size */
        i64 value = below(2) ? argument->size : 0;
        if (!value)
            memcpy(&value, item, (size_t)width);
        put(item, width, (i64)((u64)value + (u64)below(5) - 2));
        break;
    }
    case 4:
        memcpy(item, bytes + width * below(argument->size), (size_t)width);
        break;
    default:
        for (i64 at = 0; at < argument->size * width; at++)
            if (!below(8))
                bytes[at] = (u8)random_bits();
    }
}

static void resize(const struct given *given, struct argument *argument)
{
    const i64 width = bytes_of(given->letter), before = argument->size;
    i64 rows = argument->rows, columns = argument->columns, size;
    if (rows * columns == before && (rows != before || columns != 1)) { /* two dimensions */
        if (below(2))
            rows = below(2) ? rows + below(4) - 2 : below(10);
        else
            columns = below(2) ? columns + below(4) - 2 : below(10);
        rows = MAX(rows, 0);
        columns = MAX(columns, 0);
        size = rows * columns;
    } else {
        size = below(3) ? before + below(5) - 2 : below(2 * before + 2);
        size = MAX(size, 0);
        rows = size;
        columns = 1;
    }
    u8 *made = memory(size * width);
    memset(made, 0, (size_t)(size * width));
    memcpy(made, argument->at, (size_t)(MIN(size, before) * width));
    free(argument->at);
    argument->at = made;
    argument->size = size;
    argument->rows = rows;
    argument->columns = columns;
}

/* Parameters that no file holds: a kernel of this library made them from parts that were checked, or
   they are the size of what it made. Following them without looking is what makes a walk fast, and
   tests/attacks and tests/families give the kernels that make them parts that lie. */
static const char *const made_here[][2] = {
    {"payload_block", " words starts banks bases n_columns shift "},
    {"sum_block",
     " words starts banks bases n_columns shift tops slots roots ends places values width cycle "},
    {"answer_one", " words starts banks bases shift ends places values width cycle row "},
    {"answer_one_coded",
     " words starts banks bases shift ends places values width cycle columns n_columns doubled "},
    {"sum_planes", " payload ends places values width cycle "},
};

static int is_made_here(const struct kernel *kernel, const char *parameter)
{
    char wanted[LONGEST_NAME + 3];
    snprintf(wanted, sizeof wanted, " %s ", parameter);
    for (size_t at = 0; at < sizeof made_here / sizeof *made_here; at++)
        if (!strcmp(made_here[at][0], kernel->name))
            return strstr(made_here[at][1], wanted) != NULL;
    return 0;
}

static void mutate(const struct kernel *kernel, const struct call *call, struct argument *arguments)
{
    for (i64 left = 1 + below(MOST_MUTATIONS); left > 0; left--) {
        const int at = (int)below(call->count);
        struct argument *argument = arguments + at;
        if (is_made_here(kernel, kernel->parameters[at].name))
            continue;
        if (kernel->parameters[at].type == 'w')
            argument->whole =
                below(2) ? odd_number() : (i64)((u64)argument->whole + (u64)below(5) - 2);
        else if (kernel->parameters[at].type == 'x')
            argument->real = below(2) ? (f64)odd_number() : below(2) ? NAN : INFINITY;
        else if (below(4))
            mutate_items(call->given + at, argument);
        else
            resize(call->given + at, argument);
    }
}

static i64 total_items(const struct call *call)
{
    i64 size = 0;
    for (int at = 0; at < call->count; at++)
        size += call->given[at].size;
    return size;
}

static void fuzz_kernel(const struct call *calls, i64 count, const char *name, i64 executions)
{
    i64 *mine = memory(count * (i64)sizeof *mine), found = 0;
    for (i64 at = 0; at < count; at++) {
        const i64 size = total_items(calls + at);
        if (!strcmp(calls[at].name, name) && (size <= LARGEST_FUZZED || !found))
            mine[found++] = at;
    }
    if (found > 1 && total_items(calls + mine[0]) > LARGEST_FUZZED)
        mine[0] = mine[--found]; /* it was taken in case there are no short ones */
    for (i64 done = 0; done < executions;)
        for (const struct instruction_set *set = instruction_sets; set->name; set++) {
            struct argument arguments[MOST_PARAMETERS];
            if (!processor_has(set->name))
                continue;
            const struct call *call = calls + mine[below(found)];
            const struct kernel *kernel = find(set, call);
            if (!kernel)
                fail("a recorded call has no kernel");
            prepare(kernel, call, arguments);
            mutate(kernel, call, arguments);
            alarm(SECONDS_PER_CALL);
            kernel->call(arguments);
            let_go(call, arguments);
            done++;
        }
    free(mine);
}

static int fuzz(const struct call *calls, i64 count, i64 executions, u64 seed)
{
    i64 names = 0, findings = 0;
    for (int counting = 1; counting >= 0; counting--) {
        const i64 share = counting ? 0 : (executions + names - 1) / names;
        for (i64 at = 0; at < count; at++) {
            i64 before = 0;
            while (before < at && strcmp(calls[before].name, calls[at].name))
                before++;
            if (before < at)
                continue;
            if (counting) {
                names++;
                continue;
            }
            fflush(stdout);
            const pid_t child = fork(); /* a kernel that crashes does not end the others */
            if (child == 0) {
                state = (seed + 1) * 0x9e3779b97f4a7c15ULL;
                fuzz_kernel(calls, count, calls[at].name, share);
                _exit(0);
            }
            int status = 0;
            if (child < 0 || waitpid(child, &status, 0) < 0)
                fail(strerror(errno));
            findings += status != 0;
            printf("%-28s %10lld executions  %s\n", calls[at].name, (long long)share,
                   status ? "FOUND" : "ok");
        }
    }
    printf("%lld kernels, %lld executions or more, %lld findings\n", (long long)names,
           (long long)executions, (long long)findings);
    return findings != 0;
}

int main(int count, char **words)
{
    if (count != 3 && count != 5)
        fail("expected: check CALLS, check-elsewhere CALLS, or fuzz CALLS COUNT SEED");
    FILE *file = fopen(words[2], "rb");
    if (!file)
        fail("the recorded calls cannot be opened");
    i64 n_calls = 0, room = 1024;
    struct call *calls = memory(room * (i64)sizeof *calls);
    while (read_call(file, calls + n_calls))
        if (++n_calls == room) {
            room *= 2;
            calls = realloc(calls, (size_t)room * sizeof *calls);
            if (!calls)
                fail("no memory");
        }
    fclose(file);
    if (!n_calls)
        fail("there are no recorded calls");
    int found = 2;
    is_elsewhere = !strcmp(words[1], "check-elsewhere");
    if (is_elsewhere || !strcmp(words[1], "check"))
        found = check(calls, n_calls);
    else if (!strcmp(words[1], "fuzz") && count == 5)
        found = fuzz(calls, n_calls, atoll(words[3]), (u64)atoll(words[4]));
    else
        fail("expected: check CALLS, check-elsewhere CALLS, or fuzz CALLS COUNT SEED");
    for (i64 at = 0; at < n_calls; at++)
        for (int k = 0; k < calls[at].count; k++) {
            free(calls[at].given[k].before);
            free(calls[at].given[k].after);
        }
    free(calls);
    return found;
}
