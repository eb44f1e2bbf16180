// trace_stage, widen_operand: what is between the stages, as dense float32 [tokens, width], for a caller who wants to see it.
#include "arguments.cuh"
#include "stage.cuh"

__device__ __forceinline__ void trace(float* target, long long token, int column, int width, const float (&values)[CHUNK]) {
    if (target != nullptr) {
        store_row(target + token * width, column, width, values);
    }
}

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS) trace_stage(const TraceArguments arguments) {
    const long long token = blockIdx.y;
    const StageRow row = stage_row(arguments, token);
    const int width = arguments.width;
    const int stride = gridDim.x * BLOCK_THREADS * CHUNK;
    for (int column = (blockIdx.x * BLOCK_THREADS + threadIdx.x) * CHUNK; column < width; column += stride) {
        float values[CHUNK];
        load_gate(row, column, values);
        trace(arguments.pre_activation, token, column, width, values);
        activate(row.kind, values);
        trace(arguments.activated, token, column, width, values);
        if (row.kind.gated) {
            load_up(row, column, values);
            trace(arguments.up, token, column, width, values);
        }
        load_hidden(row, column, values);
        trace(arguments.hidden, token, column, width, values);
    }
}

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS) widen_operand(const WidenArguments arguments) {
    const long long token = blockIdx.y;
    const operand_t* operand = static_cast<const operand_t*>(arguments.operand) + token * arguments.stride;
    const float scale = arguments.token_scales != nullptr ? arguments.token_scales[token] : 1.0f;
    const int stride = gridDim.x * BLOCK_THREADS * CHUNK;
    for (int column = (blockIdx.x * BLOCK_THREADS + threadIdx.x) * CHUNK; column < arguments.width; column += stride) {
        float values[CHUNK];
        load(operand + column, values);
#pragma unroll
        for (int i = 0; i < CHUNK; i++) {
            values[i] *= scale;
        }
        trace(arguments.output, token, column, arguments.width, values);
    }
}
