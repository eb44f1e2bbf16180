// float32 and its bits.
#pragma once

#define INFINITY_BITS 0x7f800000u

__device__ __forceinline__ float as_float(unsigned int bits) { return __uint_as_float(bits); }

__device__ __forceinline__ unsigned int as_bits(float value) { return __float_as_uint(value); }

__device__ __forceinline__ bool is_nan(unsigned int bits) { return (bits & 0x7fffffffu) > INFINITY_BITS; }
