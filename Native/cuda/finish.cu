// finish: post(residual + branch(product + bias)). One block a token.
#include "arguments.cuh"
#include "norm.cuh"

// Product, residual and output may be the same rows: a thread reads and writes the same columns in all steps, and writes in the last one.
extern "C" __global__ void __launch_bounds__(BLOCK_THREADS) finish(const FinishArguments arguments) {
    __shared__ float sums[BLOCK_WARPS];
    constexpr int N = 4;
    const long long token = blockIdx.x;
    const int width = arguments.width;
    const float* product = arguments.product + token * arguments.product_stride;
    const float* residual = arguments.residual != nullptr ? arguments.residual + token * arguments.residual_stride : nullptr;
    const float token_scale = arguments.token_scales != nullptr ? arguments.token_scales[token] : 1.0f;

    auto scaled = [&](int column, float(&values)[N]) {
        float channel_scales[N];
        float bias[N];
        load_row(product, column, width, values);
        load_optional(arguments.channel_scales, column, 1.0f, channel_scales);
        load_optional(arguments.bias, column, 0.0f, bias);
#pragma unroll
        for (int i = 0; i < N; i++) {
            values[i] = fmaf(values[i] * channel_scales[i], token_scale, bias[i]);
        }
    };
    const NormFactors branch = measure<N>(arguments.branch, width, scaled, sums);

    auto joined = [&](int column, float(&values)[N]) {
        scaled(column, values);
        apply(arguments.branch, branch, column, width, values);
        if (residual != nullptr) {
            float added[N];
            load_row(residual, column, width, added);
#pragma unroll
            for (int i = 0; i < N; i++) {
                values[i] += added[i];
            }
        }
    };
    const NormFactors post = measure<N>(arguments.post, width, joined, sums);

    float* output = arguments.output + token * arguments.output_stride;
    for (int column = threadIdx.x * N; column < width; column += BLOCK_THREADS * N) {
        float values[N];
        joined(column, values);
        apply(arguments.post, post, column, width, values);
        store_row(output, column, width, values);
    }
}
