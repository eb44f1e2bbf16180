// gather_rows, combine_experts: a mixture's tokens to their experts and back. One block a row, and one a token; no two write the same row.
#include "arguments.cuh"
#include "rows.cuh"

// output[row] = input[tokens[row]].
extern "C" __global__ void __launch_bounds__(BLOCK_THREADS) gather_rows(const GatherArguments arguments) {
    constexpr int N = 4;
    const long long row = blockIdx.x;
    const float* input = arguments.input + arguments.tokens[row] * arguments.input_stride;
    float* output = arguments.output + row * arguments.output_stride;
    for (int column = threadIdx.x * N; column < arguments.width; column += BLOCK_THREADS * N) {
        float values[N];
        load_row(input, column, arguments.width, values);
        store_row(output, column, arguments.width, values);
    }
}

// sum += weight · row.
template <int N>
__device__ __forceinline__ void add_scaled(const float* row, int column, int width, float weight, float (&sum)[N]) {
    float values[N];
    load_row(row, column, width, values);
#pragma unroll
    for (int i = 0; i < N; i++) {
        sum[i] = fmaf(weight, values[i], sum[i]);
    }
}

// output = Σ weight · result, best expert first, + shared weight · shared + residual. The output may be the residual: a thread reads and writes
// the same columns.
extern "C" __global__ void __launch_bounds__(BLOCK_THREADS) combine_experts(const CombineArguments arguments) {
    constexpr int N = 4;
    const long long token = blockIdx.x;
    const int width = arguments.width;
    const int* rows = arguments.rows + token * arguments.top_k;
    const float* weights = arguments.weights + token * arguments.top_k;
    const float* shared = arguments.shared != nullptr ? arguments.shared + token * arguments.shared_stride : nullptr;
    const float shared_weight = arguments.shared_weights != nullptr ? arguments.shared_weights[token] : 1.0f;
    const float* residual = arguments.residual != nullptr ? arguments.residual + token * arguments.residual_stride : nullptr;
    float* output = arguments.output + token * arguments.output_stride;
    for (int column = threadIdx.x * N; column < width; column += BLOCK_THREADS * N) {
        float sum[N] = {};
        for (int k = 0; k < arguments.top_k; k++) {
            add_scaled(arguments.results + rows[k] * arguments.result_stride, column, width, weights[k], sum);
        }
        if (shared != nullptr) {
            add_scaled(shared, column, width, shared_weight, sum);
        }
        if (residual != nullptr) {
            add_scaled(residual, column, width, 1.0f, sum);
        }
        store_row(output, column, width, sum);
    }
}
