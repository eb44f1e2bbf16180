// A hidden stage between its product and its hidden values, a chunk of columns at a time.
#pragma once

#include "activations.cuh"
#include "rows.cuh"

// A token's row [gate | up] of the product, each part padded_width long; a plain stage has the first part alone.
struct StageRow {
    const product_t* product;
    const float* bias;            // in the product's columns, or null
    const float* channel_scales;  // in the product's columns, or null
    float token_scale;
    int padded_width;
    KindArguments kind;
};

template <typename Arguments>
__device__ __forceinline__ StageRow stage_row(const Arguments& arguments, long long token) {
    return {
        static_cast<const product_t*>(arguments.product) + token * arguments.product_stride,
        arguments.bias,
        arguments.channel_scales,
        arguments.token_scales != nullptr ? arguments.token_scales[token] : 1.0f,
        arguments.padded_width,
        arguments.kind,
    };
}

// product · channel_scale · token_scale + bias.
__device__ __forceinline__ void load_scaled(const StageRow& row, int column, float (&values)[CHUNK]) {
    float channel_scales[CHUNK];
    float bias[CHUNK];
    load(row.product + column, values);
    load_optional(row.channel_scales, column, 1.0f, channel_scales);
    load_optional(row.bias, column, 0.0f, bias);
#pragma unroll
    for (int i = 0; i < CHUNK; i++) {
        values[i] = fmaf(values[i] * channel_scales[i], row.token_scale, bias[i]);
    }
}

__device__ __forceinline__ void load_gate(const StageRow& row, int column, float (&values)[CHUNK]) { load_scaled(row, column, values); }

__device__ __forceinline__ void load_up(const StageRow& row, int column, float (&values)[CHUNK]) {
    load_scaled(row, row.padded_width + column, values);
}

// act(gate) and, in a gated stage, what the activation makes of it and up.
__device__ __forceinline__ void load_hidden(const StageRow& row, int column, float (&values)[CHUNK]) {
    load_gate(row, column, values);
    float up[CHUNK];
    if (row.kind.gated) {
        load_up(row, column, up);
    }
    activate(row.kind, values);
    if (row.kind.gated) {
        gate(row.kind, up, values);
    }
}
