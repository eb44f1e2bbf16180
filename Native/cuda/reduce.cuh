// Sums and maxima over a warp and over a block. The order is fixed, so that the same values give the same bits.
#pragma once

#include "arguments.cuh"

#define WARP_THREADS 32
#define BLOCK_WARPS (BLOCK_THREADS / WARP_THREADS)
#define WHOLE_WARP 0xffffffffu

struct Sum {
    static __device__ __forceinline__ float of(float a, float b) { return a + b; }
};

struct Maximum {
    static __device__ __forceinline__ unsigned int of(unsigned int a, unsigned int b) { return a < b ? b : a; }
};

// Every thread of the warp gets the result.
template <typename Operation, typename T>
__device__ __forceinline__ T reduce_warp(T value) {
#pragma unroll
    for (int distance = WARP_THREADS / 2; distance > 0; distance /= 2) {
        value = Operation::of(value, __shfl_xor_sync(WHOLE_WARP, value, distance));
    }
    return value;
}

// Every thread of the block gets the result. 'scratch' is shared, one element a warp.
template <typename Operation, typename T>
__device__ __forceinline__ T reduce_block(T value, T* scratch) {
    value = reduce_warp<Operation>(value);
    __syncthreads();  // the last reduction's readers are done
    if (threadIdx.x % WARP_THREADS == 0) {
        scratch[threadIdx.x / WARP_THREADS] = value;
    }
    __syncthreads();
    value = scratch[0];
#pragma unroll
    for (int warp = 1; warp < BLOCK_WARPS; warp++) {
        value = Operation::of(value, scratch[warp]);
    }
    return value;
}
