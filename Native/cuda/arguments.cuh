// What each kernel takes, by value. Backends/CuBlas/Kernels/KernelArguments.cs mirrors these structs, and a test compares the two.
// Strides, widths and columns count elements. Every pointer but the first of each role (product, output, weights,
// vectors), and those of a mixture's routing, may be null.
#pragma once

// Threads of every block.
#define BLOCK_THREADS 256

// Weight rows that one block of the vector kernels computes.
#define VECTOR_ROWS 16

enum NormKind { NORM_NONE, NORM_RMS, NORM_LAYER };

struct NormArguments {
    const float* weight;
    const float* bias;
    float epsilon;
    int kind;
    float weight_offset;
    int unused;
};

// What a stage makes of its projections: the index of its activation, and the numbers in the formulas of those that have some.
struct KindArguments {
    int activation;
    int gated;
    float limit;
    float alpha;
    float up_offset;
    float input_factor;
    float positive_alpha;
    float negative_alpha;
    float beta;
    float epsilon;
};

struct InputArguments {
    const float* input;
    long long input_stride;
    void* output;
    long long output_stride;
    float* token_scales;
    NormArguments norm;
    int width;
    int padded_width;
};

struct ActivationArguments {
    const void* product;
    long long product_stride;
    void* output;
    long long output_stride;
    const float* bias;
    const float* channel_scales;
    const float* token_scales;
    float* output_scales;
    int padded_width;
    int width;
    KindArguments kind;
};

struct TraceArguments {
    const void* product;
    long long product_stride;
    const float* bias;
    const float* channel_scales;
    const float* token_scales;
    float* pre_activation;
    float* activated;
    float* up;
    float* hidden;
    int width;
    int padded_width;
    KindArguments kind;
};

struct WidenArguments {
    const void* operand;
    long long stride;
    const float* token_scales;
    float* output;
    int width;
    int unused;
};

struct FinishArguments {
    const float* product;
    long long product_stride;
    const float* bias;
    const float* channel_scales;
    const float* token_scales;
    const float* residual;
    long long residual_stride;
    float* output;
    long long output_stride;
    NormArguments branch;
    NormArguments post;
    int width;
    int unused;
};

struct GatherArguments {
    const float* input;
    long long input_stride;
    const int* tokens;
    float* output;
    long long output_stride;
    int width;
    int unused;
};

struct CombineArguments {
    const float* results;
    long long result_stride;
    const int* rows;
    const float* weights;
    const float* shared;
    long long shared_stride;
    const float* shared_weights;
    const float* residual;
    long long residual_stride;
    float* output;
    long long output_stride;
    int top_k;
    int width;
};

struct VectorStageArguments {
    const void* weights;
    long long weight_stride;
    const void* vectors;
    long long vector_stride;
    void* output;
    long long output_stride;
    const float* bias;
    const float* channel_scales;
    int tokens;
    int columns;
    int padded_width;
    int width;
    KindArguments kind;
};

struct VectorResultArguments {
    const void* weights;
    long long weight_stride;
    const void* vectors;
    long long vector_stride;
    float* output;
    long long output_stride;
    const float* residual;
    long long residual_stride;
    const float* bias;
    const float* channel_scales;
    int tokens;
    int columns;
    int width;
    int unused;
};

static_assert(VECTOR_ROWS == 16, "the host counts blocks by 16 rows");
static_assert(sizeof(NormArguments) == 32, "as the host has it");
static_assert(sizeof(KindArguments) == 40, "as the host has it");
static_assert(sizeof(InputArguments) == 80, "as the host has it");
static_assert(sizeof(ActivationArguments) == 112, "as the host has it");
static_assert(sizeof(TraceArguments) == 120, "as the host has it");
static_assert(sizeof(WidenArguments) == 40, "as the host has it");
static_assert(sizeof(FinishArguments) == 144, "as the host has it");
static_assert(sizeof(GatherArguments) == 48, "as the host has it");
static_assert(sizeof(CombineArguments) == 96, "as the host has it");
static_assert(sizeof(VectorStageArguments) == 120, "as the host has it");
static_assert(sizeof(VectorResultArguments) == 96, "as the host has it");
