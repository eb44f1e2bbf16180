// Runs every kernel over odd shapes on buffers of exactly the size that its arguments tell. Compiled with AddressSanitizer and
// UndefinedBehaviorSanitizer, which end the program at the first access beside a buffer or off a vector's alignment.
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <vector>

#include "../arguments.cuh"
#include "emulation.h"

namespace {

#if defined(NATIVEFFN_F32)
constexpr int WEIGHT_BYTES = 4, OPERAND_BYTES = 4, PRODUCT_BYTES = 4, VECTOR_BYTES = 4;
#elif defined(NATIVEFFN_E4M3)
constexpr int WEIGHT_BYTES = 1, OPERAND_BYTES = 1, PRODUCT_BYTES = 2, VECTOR_BYTES = 2;
#else
constexpr int WEIGHT_BYTES = 2, OPERAND_BYTES = 2, PRODUCT_BYTES = 2, VECTOR_BYTES = 2;
#endif

// Every activation's index in the table.
#define ACTIVATION(INDEX, FORMULA, GATE_FORMULA) INDEX,
constexpr int ACTIVATIONS[] = {
#include "activation_table.cuh"
};
#undef ACTIVATION

// Of the vector kernels: two blocks, the last one with few.
constexpr int RESULT_ROWS = 19;

int launches = 0;

int padded(int width) { return (width + 15) / 16 * 16; }

// The kernels' own memory: aligned, and not a byte longer than told.
class Buffer {
public:
    explicit Buffer(long long bytes) {
        if (posix_memalign(&memory_, 256, bytes) != 0) {
            std::abort();
        }
        for (long long i = 0; i < bytes; i++) {
            static_cast<unsigned char*>(memory_)[i] = static_cast<unsigned char>(i * 37 % 61);
        }
    }
    ~Buffer() { std::free(memory_); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    operator void*() const { return memory_; }
    operator float*() const { return static_cast<float*>(memory_); }

private:
    void* memory_ = nullptr;
};

template <typename Arguments>
void launch(const std::string& kernel, int grid_x, int grid_y, const Arguments& arguments) {
    const char* error = emulation_launch(kernel.c_str(), grid_x, grid_y, BLOCK_THREADS, &arguments, launches++ % 2);
    if (error != nullptr) {
        std::fprintf(stderr, "%s\n", error);
        std::exit(1);
    }
}

// A caller's float rows, at an address that only a float is aligned to where 'shift' is odd.
float* caller_rows(std::vector<float>& memory, int tokens, int width, int stride, int shift) {
    memory.assign(shift + static_cast<long long>(tokens - 1) * stride + width, 0.5f);
    return memory.data() + shift;
}

void check(int width, int tokens, int shift) {
    const int wide = padded(width);
    const int stride = width + shift;
    Buffer bias(8ll * wide), channel_scales(8ll * wide), norm_weight(4ll * wide), norm_bias(4ll * wide);
    Buffer token_scales(4ll * tokens), output_scales(4ll * tokens);
    Buffer operand(1ll * OPERAND_BYTES * wide * tokens), vector(1ll * VECTOR_BYTES * wide * tokens);
    Buffer normed(4ll * wide * tokens);
    Buffer product(2ll * PRODUCT_BYTES * wide * tokens), dense(4ll * width * tokens);
    std::vector<float> input_memory, output_memory;
    float* input = caller_rows(input_memory, tokens, width, stride, shift);
    float* output = caller_rows(output_memory, tokens, width, stride, shift);

    for (int parts : {0, 1, 2, 3, 4}) {
        const int kind = parts == 0 ? NORM_NONE : parts < 3 ? NORM_RMS : NORM_LAYER;
        const NormArguments norm = {
            parts % 2 == 1 ? static_cast<float*>(norm_weight) : nullptr, parts > 2 ? static_cast<float*>(norm_bias) : nullptr, 1e-5f, kind, 1.0f, 0};
        launch("prepare_operand", tokens, 1, InputArguments{input, stride, operand, wide, token_scales, norm, width, wide});
        launch("prepare_vector", tokens, 1, InputArguments{input, stride, vector, wide, nullptr, norm, width, wide});
        launch("prepare_rows", tokens, 1, InputArguments{input, stride, normed, wide, nullptr, norm, width, wide});
        launch("finish", tokens, 1,
            FinishArguments{output, stride, bias, channel_scales, token_scales, input, stride, output, stride, norm, norm, width, 0});
    }

    // Every token to two experts, in an order of no order, from an address of a caller's and back to one.
    std::vector<int> sent, rows_of;
    std::vector<float> gates(2 * tokens, 0.5f), shared_gates(tokens, 0.25f);
    for (int route = 0; route < 2 * tokens; route++) {
        sent.push_back((route * 5 + 1) % tokens);
        rows_of.push_back((route * 3 + 2) % (2 * tokens));
    }
    Buffer routed(8ll * wide * tokens);
    launch("gather_rows", 2 * tokens, 1, GatherArguments{input, stride, sent.data(), routed, wide, width, 0});
    launch("combine_experts", tokens, 1,
        CombineArguments{routed, wide, rows_of.data(), gates.data(), normed, wide, shared_gates.data(), output, stride, output, stride, 2, width});
    launch("combine_experts", tokens, 1,
        CombineArguments{routed, wide, rows_of.data(), gates.data(), nullptr, 0, nullptr, nullptr, 0, output, stride, 2, width});

    launch("widen_operand", 2, tokens, WidenArguments{operand, wide, token_scales, dense, width, 0});

    for (int activation : ACTIVATIONS) {
        const int gated = activation % 2;
        const KindArguments kind = {activation, gated, 7.0f, 1.5f, 1.0f, 0.5f, 0.8f, 0.7f, 0.5f, -1e-6f};
        const ActivationArguments arguments = {
            product, 2ll * wide, operand, wide, bias, channel_scales, token_scales, output_scales, wide, width, kind};
        launch("activate_operand", 1, tokens, arguments);
        ActivationArguments result = arguments;
        result.output = output;
        result.output_stride = stride;
        launch("activate_result", 2, tokens, result);
        launch("trace_stage", 1, tokens,
            TraceArguments{product, 2ll * wide, bias, channel_scales, token_scales, dense, dense,
                gated ? static_cast<float*>(dense) : nullptr, dense, width, wide, kind});
    }

    const int rows = RESULT_ROWS, wide_rows = padded(rows);
    std::vector<float> result_memory;
    float* result = caller_rows(result_memory, tokens, rows, rows + shift, shift);
    Buffer weights(2ll * WEIGHT_BYTES * wide_rows * wide), hidden(1ll * VECTOR_BYTES * wide_rows * tokens);
    Buffer row_bias(8ll * wide_rows), row_scales(8ll * wide_rows);
    for (int instance : {1, 2, 4, 8}) {
        if (tokens > instance) {
            continue;
        }
        for (int gated : {0, 1}) {
            const KindArguments kind = {0, gated, 7.0f, 1.5f, 1.0f, 0.5f, 0.8f, 0.7f, 0.5f, -1e-6f};
            launch("vector_stage_" + std::to_string(instance), wide_rows / VECTOR_ROWS, 1,
                VectorStageArguments{
                    weights, wide, vector, wide, hidden, wide_rows, row_bias, row_scales, tokens, wide, wide_rows, rows, kind});
        }
        launch("vector_result_" + std::to_string(instance), wide_rows / VECTOR_ROWS, 1,
            VectorResultArguments{weights, wide, vector, wide, result, rows + shift, result, rows + shift, row_bias, row_scales,
                tokens, wide, rows, 0});
    }
}

}

int main() {
    for (int width : {1, 15, 17, 270, 1100}) {
        for (int tokens : {1, 3, 8}) {
            check(width, tokens, (width + tokens) % 4);
        }
    }
    std::printf("%d launches of %s\n", launches, EMULATION_PRECISION);
    return 0;
}
