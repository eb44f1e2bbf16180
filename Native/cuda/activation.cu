// activate_operand, activate_result: a stage's product to its hidden values. A row of blocks a token; columns are walked with a stride.
#include "arguments.cuh"
#include "reduce.cuh"
#include "scale.cuh"
#include "stage.cuh"

// hidden[token, column], and 0 from width to padded_width; divided by the token's scale where SCALED.
template <bool SCALED>
__device__ __forceinline__ void activate_row(const ActivationArguments& arguments, unsigned int* maxima) {
    const long long token = blockIdx.y;
    const StageRow row = stage_row(arguments, token);
    const int width = arguments.width;

    float scale = 1.0f;
    if (SCALED) {
        // Every block looks through the whole row, which holds them to the same scale.
        unsigned int largest = 0;
        for (int column = threadIdx.x * CHUNK; column < width; column += BLOCK_THREADS * CHUNK) {
            float values[CHUNK];
            load_hidden(row, column, values);
#pragma unroll
            for (int i = 0; i < CHUNK; i++) {
                largest = Maximum::of(largest, column + i < width ? magnitude_bits(values[i]) : 0);
            }
        }
        scale = scale_of(reduce_block<Maximum>(largest, maxima));
        if (blockIdx.x == 0 && threadIdx.x == 0) {
            arguments.output_scales[token] = scale;
        }
    }

    operand_t* output = static_cast<operand_t*>(arguments.output) + token * arguments.output_stride;
    const int stride = gridDim.x * BLOCK_THREADS * CHUNK;
    for (int column = (blockIdx.x * BLOCK_THREADS + threadIdx.x) * CHUNK; column < arguments.padded_width; column += stride) {
        float values[CHUNK];
        load_hidden(row, column, values);
#pragma unroll
        for (int i = 0; i < CHUNK; i++) {
            values[i] = column + i < width ? values[i] / scale : 0.0f;
        }
        store(output + column, values);
    }
}

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS) activate_operand(const ActivationArguments arguments) {
    __shared__ unsigned int maxima[BLOCK_WARPS];
    activate_row<Element<operand_t>::PER_WORD == 4>(arguments, maxima);
}

// The same to float32 rows of a caller, for a last stage that has an activation.
extern "C" __global__ void __launch_bounds__(BLOCK_THREADS) activate_result(const ActivationArguments arguments) {
    const long long token = blockIdx.y;
    const StageRow row = stage_row(arguments, token);
    float* output = static_cast<float*>(arguments.output) + token * arguments.output_stride;
    const int stride = gridDim.x * BLOCK_THREADS * CHUNK;
    for (int column = (blockIdx.x * BLOCK_THREADS + threadIdx.x) * CHUNK; column < arguments.width; column += stride) {
        float values[CHUNK];
        load_hidden(row, column, values);
        store_row(output, column, arguments.width, values);
    }
}
