/* What the processor can do, asked of the processor itself, or of the system where that knows. */

#include <string.h>

#include "table.h"

#if defined(__x86_64__)

#include <cpuid.h>

enum { SSE_AND_AVX = 0x6, AVX_512_TOO = 0xe6 }; /* registers that the system keeps: XCR0 */

static u64 kept_registers(void)
{
    u32 low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((u64)high << 32) | low;
}

static int has_all(u32 found, u32 needed)
{
    return (found & needed) == needed;
}

static int has_avx2(void)
{
    u32 a, b, c, d, extended;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return 0;
    if (!has_all(c, bit_FMA | bit_SSE4_2 | bit_MOVBE | bit_POPCNT | bit_OSXSAVE | bit_AVX | bit_F16C))
        return 0;
    if (!__get_cpuid(0x80000001, &a, &b, &extended, &d) || !has_all(extended, bit_LZCNT))
        return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    return has_all(b, bit_AVX2 | bit_BMI | bit_BMI2) && has_all((u32)kept_registers(), SSE_AND_AVX);
}

static int has_avx512(void)
{
    u32 a, b, c, d;
    if (!has_avx2() || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    return has_all(b, bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL) &&
           has_all(c, bit_AVX512VNNI) && has_all((u32)kept_registers(), AVX_512_TOO);
}

int processor_has(const char *name)
{
    if (!strcmp(name, "avx512"))
        return has_avx512();
    if (!strcmp(name, "avx2"))
        return has_avx2();
    return !strcmp(name, "baseline");
}

#elif defined(__aarch64__)

#if defined(__linux__)
#include <sys/auxv.h>
static int has_dot_product(void)
{
    const unsigned long advanced_dot_product = 1UL << 20; /* HWCAP_ASIMDDP */
    return (getauxval(AT_HWCAP) & advanced_dot_product) != 0;
}
#elif defined(__APPLE__)
/* Every Apple processor that runs macOS has it. */
static int has_dot_product(void)
{
    return 1;
}
#else
static int has_dot_product(void)
{
    return 0;
}
#endif

int processor_has(const char *name)
{
    if (!strcmp(name, "dotprod"))
        return has_dot_product();
    return !strcmp(name, "baseline");
}

#else

int processor_has(const char *name)
{
    return !strcmp(name, "baseline");
}

#endif
