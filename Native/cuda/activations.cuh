// The activations, by the numbers of the C# enum Activation.
#pragma once

enum Activation {
    ACTIVATION_IDENTITY,
    ACTIVATION_RELU,
    ACTIVATION_SQUARED_RELU,
    ACTIVATION_GELU,
    ACTIVATION_GELU_TANH,
    ACTIVATION_QUICK_GELU,
    ACTIVATION_SILU,
    ACTIVATION_SIGMOID,
};

// max(0, x); NaN stays NaN because it is not less than 0.
__device__ __forceinline__ float relu(float x) { return x < 0.0f ? 0.0f : x; }

// x · σ(y), which is 0 and not NaN where e⁻ʸ overflows for a finite x.
__device__ __forceinline__ float times_sigmoid(float x, float y) { return x / (1.0f + expf(-y)); }

// 0.5x(1 + tanh u) = x · σ(2u), u = √(2/π)(x + 0.044715x³).
__device__ __forceinline__ float gelu_tanh(float x) {
    const float TWO_ROOT_TWO_OVER_PI = 1.5957691216057308f;
    return times_sigmoid(x, TWO_ROOT_TWO_OVER_PI * x * fmaf(0.044715f * x, x, 1.0f));
}

// Replaces each of N values by its activation.
template <int N>
__device__ __forceinline__ void activate(int activation, float (&values)[N]) {
// One branch for all values.
#define EACH(FORMULA)                  \
    {                                  \
        _Pragma("unroll")              \
        for (int i = 0; i < N; i++) {  \
            float x = values[i];       \
            values[i] = (FORMULA);     \
        }                              \
        break;                         \
    }
    switch (activation) {
        case ACTIVATION_RELU: EACH(relu(x))
        case ACTIVATION_SQUARED_RELU: EACH(relu(x) * relu(x))
        case ACTIVATION_GELU: EACH(x * normcdff(x))  // accurate in the tail, unlike 1 + erf
        case ACTIVATION_GELU_TANH: EACH(gelu_tanh(x))
        case ACTIVATION_QUICK_GELU: EACH(times_sigmoid(x, 1.702f * x))
        case ACTIVATION_SILU: EACH(times_sigmoid(x, x))
        case ACTIVATION_SIGMOID: EACH(times_sigmoid(1.0f, x))
        default: break;
    }
#undef EACH
}
