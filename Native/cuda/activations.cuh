// The activations: the functions that their formulas are made of, and two switches over the host's table of formulas.
#pragma once

#include "arguments.cuh"

// max(0, x); NaN stays NaN because it is not less than 0.
__device__ __forceinline__ float relu(float x) { return x < 0.0f ? 0.0f : x; }

// x · σ(y), which is 0 and not NaN where e⁻ʸ overflows for a finite x.
__device__ __forceinline__ float times_sigmoid(float x, float y) { return x / (1.0f + expf(-y)); }

// 0.5x(1 + tanh u) = x · σ(2u), u = √(2/π)(x + 0.044715x³).
__device__ __forceinline__ float gelu_tanh(float x) {
    const float TWO_ROOT_TWO_OVER_PI = 1.5957691216057308f;
    return times_sigmoid(x, TWO_ROOT_TWO_OVER_PI * x * fmaf(0.044715f * x, x, 1.0f));
}

// NaN stays NaN because it is not more than anything.
__device__ __forceinline__ float at_most(float x, float most) { return x > most ? most : x; }

// x · tanh(ln(1 + eˣ)) = x · w / (w + 2), w = eˣ(eˣ + 2); from 30 on the factor is 1.
__device__ __forceinline__ float mish(float x) {
    float power = expf(at_most(x, 30.0f));
    float w = power * (power + 2.0f);
    return x * (w / (w + 2.0f));
}

// a⁺x² + βx, or a⁻(e^min(x, ε) − 1 − x) + βx.
__device__ __forceinline__ float xielu(float x, const KindArguments& parameters) {
    float curve = x > 0.0f ? parameters.positive_alpha * x * x
                           : parameters.negative_alpha * (expm1f(at_most(x, parameters.epsilon)) - x);
    return fmaf(parameters.beta, x, curve);
}

// One branch for all values.
#define EACH(FORMULA)                  \
    {                                  \
        _Pragma("unroll")              \
        for (int i = 0; i < N; i++) {  \
            FORMULA;                   \
        }                              \
        break;                         \
    }

// Replaces each of N values, multiplied with the input factor, by its activation: a formula in x and parameters.
template <int N>
__device__ __forceinline__ void activate(const KindArguments& parameters, float (&values)[N]) {
    switch (parameters.activation) {
#define ACTIVATION(INDEX, FORMULA, GATE_FORMULA) case INDEX: EACH(float x = values[i] * parameters.input_factor; values[i] = FORMULA)
#include "activation_table.cuh"
#undef ACTIVATION
    }
}

// Replaces each of N activated values by what a gated stage makes of it, a formula in y, up and parameters.
template <int N>
__device__ __forceinline__ void gate(const KindArguments& parameters, const float (&ups)[N], float (&values)[N]) {
    switch (parameters.activation) {
#define ACTIVATION(INDEX, FORMULA, GATE_FORMULA) case INDEX: EACH(float y = values[i]; float up = ups[i]; values[i] = GATE_FORMULA)
#include "activation_table.cuh"
#undef ACTIVATION
    }
}

#undef EACH
