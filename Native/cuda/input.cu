// prepare_operand, prepare_vector, prepare_rows: what a token brings into the first stage, and a mixture's float32 rows. One block a token.
#include "arguments.cuh"
#include "norm.cuh"
#include "scale.cuh"

// output[token, column] = norm(input[token])[column], and 0 from width to padded_width; divided by the token's scale where SCALED.
template <bool SCALED, typename T>
__device__ __forceinline__ void prepare(const InputArguments& arguments, float* sums, unsigned int* maxima) {
    const long long token = blockIdx.x;
    const float* input = arguments.input + token * arguments.input_stride;
    const int width = arguments.width;
    auto read = [=](int column, float(&values)[CHUNK]) { load_row(input, column, width, values); };
    const NormFactors factors = measure<CHUNK>(arguments.norm, width, read, sums);
    auto normed = [&](int column, float(&values)[CHUNK]) {
        read(column, values);
        apply(arguments.norm, factors, column, width, values);
    };

    float scale = 1.0f;
    if (SCALED) {
        unsigned int largest = 0;
        for (int column = threadIdx.x * CHUNK; column < width; column += BLOCK_THREADS * CHUNK) {
            float values[CHUNK];
            normed(column, values);
#pragma unroll
            for (int i = 0; i < CHUNK; i++) {
                largest = Maximum::of(largest, column + i < width ? magnitude_bits(values[i]) : 0);
            }
        }
        scale = scale_of(reduce_block<Maximum>(largest, maxima));
        if (threadIdx.x == 0) {
            arguments.token_scales[token] = scale;
        }
    }

    T* output = static_cast<T*>(arguments.output) + token * arguments.output_stride;
    for (int column = threadIdx.x * CHUNK; column < arguments.padded_width; column += BLOCK_THREADS * CHUNK) {
        float values[CHUNK];
        normed(column, values);
#pragma unroll
        for (int i = 0; i < CHUNK; i++) {
            values[i] = column + i < width ? values[i] / scale : 0.0f;
        }
        store(output + column, values);
    }
}

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS) prepare_operand(const InputArguments arguments) {
    __shared__ float sums[BLOCK_WARPS];
    __shared__ unsigned int maxima[BLOCK_WARPS];
    prepare<Element<operand_t>::PER_WORD == 4, operand_t>(arguments, sums, maxima);
}

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS) prepare_vector(const InputArguments arguments) {
    __shared__ float sums[BLOCK_WARPS];
    __shared__ unsigned int maxima[BLOCK_WARPS];
    prepare<false, vector_t>(arguments, sums, maxima);
}

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS) prepare_rows(const InputArguments arguments) {
    __shared__ float sums[BLOCK_WARPS];
    __shared__ unsigned int maxima[BLOCK_WARPS];
    prepare<false, float>(arguments, sums, maxima);
}
