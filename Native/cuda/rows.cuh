// Rows of float32 that a caller owns: aligned to 4 bytes, of any width.
#pragma once

#include "elements.cuh"

__device__ __forceinline__ bool is_vector_aligned(const void* address) { return (reinterpret_cast<unsigned long long>(address) & 15) == 0; }

// Reads N numbers from 'column' on; those past the row's width are 0.
template <int N>
__device__ __forceinline__ void load_row(const float* row, int column, int width, float (&values)[N]) {
    if (column + N <= width && is_vector_aligned(row + column)) {
        load<N>(row + column, values);
        return;
    }
#pragma unroll
    for (int i = 0; i < N; i++) {
        values[i] = column + i < width ? row[column + i] : 0.0f;
    }
}

// Writes N numbers from 'column' on, but none past the row's width.
template <int N>
__device__ __forceinline__ void store_row(float* row, int column, int width, const float (&values)[N]) {
    if (column + N <= width && is_vector_aligned(row + column)) {
        store<N>(row + column, values);
        return;
    }
#pragma unroll
    for (int i = 0; i < N; i++) {
        if (column + i < width) {
            row[column + i] = values[i];
        }
    }
}

// Reads N numbers of a row of ours, which is padded; 'otherwise' stands for a row that is not given.
template <int N>
__device__ __forceinline__ void load_optional(const float* row, int column, float otherwise, float (&values)[N]) {
    if (row != nullptr) {
        load<N>(row + column, values);
        return;
    }
#pragma unroll
    for (int i = 0; i < N; i++) {
        values[i] = otherwise;
    }
}
