// RMS and layer norms of a row that a block computes. Its values come from a function, so that nothing between two steps is stored: a row
// is read again for each step, from the cache.
#pragma once

#include "reduce.cuh"
#include "rows.cuh"

// value → (value − mean) · scale.
struct NormFactors {
    float mean;
    float scale;
};

// The sum over the row of term(value). 'source' has the form void(int column, float (&values)[N]).
template <int N, typename Source, typename Term>
__device__ __forceinline__ float sum_row(int width, const Source& source, const Term& term, float* scratch) {
    float sum = 0.0f;
    for (int column = threadIdx.x * N; column < width; column += BLOCK_THREADS * N) {
        float values[N];
        source(column, values);
#pragma unroll
        for (int i = 0; i < N; i++) {
            sum += column + i < width ? term(values[i]) : 0.0f;
        }
    }
    return reduce_block<Sum>(sum, scratch);
}

// Called by all threads of the block.
template <int N, typename Source>
__device__ __forceinline__ NormFactors measure(const NormArguments& norm, int width, const Source& source, float* scratch) {
    if (norm.kind == NORM_NONE) {
        return {0.0f, 1.0f};
    }
    float count = static_cast<float>(width);
    float mean = norm.kind == NORM_LAYER ? sum_row<N>(width, source, [](float value) { return value; }, scratch) / count : 0.0f;
    float squares = sum_row<N>(width, source, [mean](float value) { return (value - mean) * (value - mean); }, scratch);
    return {mean, 1.0f / sqrtf(squares / count + norm.epsilon)};
}

template <int N>
__device__ __forceinline__ void apply(const NormArguments& norm, NormFactors factors, int column, int width, float (&values)[N]) {
    if (norm.kind == NORM_NONE) {
        return;
    }
    float weight[N];
    if (norm.weight != nullptr) {
        load_row(norm.weight, column, width, weight);
    } else {
#pragma unroll
        for (int i = 0; i < N; i++) {
            weight[i] = 1.0f;
        }
    }
    float bias[N] = {};
    if (norm.bias != nullptr) {
        load_row(norm.bias, column, width, bias);
    }
#pragma unroll
    for (int i = 0; i < N; i++) {
        values[i] = fmaf((values[i] - factors.mean) * factors.scale, norm.weight_offset + weight[i], bias[i]);
    }
}
