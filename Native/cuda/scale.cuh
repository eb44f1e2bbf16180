// Scales of e4m3 rows, one a token: stored · scale = value.
#pragma once

#include "elements.cuh"

#define E4M3_LARGEST 448.0f

// Under it a scale would be subnormal and its quotients inexact.
#define SMALLEST_SCALE 0x1p-126f

// The bits of |value|: as integers they order like the magnitudes, with infinity and then NaN last.
__device__ __forceinline__ unsigned int magnitude_bits(float value) { return as_bits(value) & 0x7fffffffu; }

// The scale that maps the row's largest magnitude to 448; 1 for a row of zeros, and for one with NaN or infinity, which are stored as NaN.
__device__ __forceinline__ float scale_of(unsigned int largest) {
    if (largest == 0 || largest >= INFINITY_BITS) {
        return 1.0f;
    }
    return fmaxf(as_float(largest) / E4M3_LARGEST, SMALLEST_SCALE);
}
