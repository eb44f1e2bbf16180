// What of CUDA C the kernels use, for a C++ compiler: their threads run as fibers on the CPU, one block after the other.
#pragma once

#include <algorithm>
#include <cmath>

#include "block.h"

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)

// A block's shared memory is in a section of its own, which is filled with NaN before each block; AddressSanitizer watches only what is in
// none.
#if defined(__SANITIZE_ADDRESS__)
#define __shared__ static
#else
#define __shared__ static __attribute__((section("shared_memory")))
#endif

struct Index {
    unsigned int x, y;
};

static Index threadIdx, blockIdx, gridDim;
static emulation::Block block;

#define __syncthreads() block.wait(emulation::State::AT_BLOCK_BARRIER, __LINE__)
#define __shfl_xor_sync(mask, value, distance) block.shuffle_xor(mask, value, distance, __LINE__)

using std::min;

static inline float __uint_as_float(unsigned int bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

static inline unsigned int __float_as_uint(float value) {
    unsigned int bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float normcdff(float x) { return static_cast<float>(0.5 * std::erfc(-x * 0.70710678118654752440)); }
