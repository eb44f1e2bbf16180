// The kernels of one precision on the CPU, for tests: what they compute, and that they touch nothing but what they were given.
// Compiled with the same -DNATIVEFFN_<precision> as on a device.
#include "cuda.h"

#include "../kernels.cu"

#include "emulation.h"

#include <mutex>

extern "C" char __start_shared_memory[] __attribute__((weak));
extern "C" char __stop_shared_memory[] __attribute__((weak));

namespace {

struct Kernel {
    const char* name;
    void (*call)(const void*);
};

#define KERNEL(NAME, ARGUMENTS) {#NAME, [](const void* arguments) { NAME(*static_cast<const ARGUMENTS*>(arguments)); }}

const Kernel KERNELS[] = {
    KERNEL(prepare_operand, InputArguments),
    KERNEL(prepare_vector, InputArguments),
    KERNEL(prepare_rows, InputArguments),
    KERNEL(activate_operand, ActivationArguments),
    KERNEL(activate_result, ActivationArguments),
    KERNEL(trace_stage, TraceArguments),
    KERNEL(widen_operand, WidenArguments),
    KERNEL(finish, FinishArguments),
    KERNEL(gather_rows, GatherArguments),
    KERNEL(combine_experts, CombineArguments),
    KERNEL(vector_stage_1, VectorStageArguments),
    KERNEL(vector_stage_2, VectorStageArguments),
    KERNEL(vector_stage_4, VectorStageArguments),
    KERNEL(vector_stage_8, VectorStageArguments),
    KERNEL(vector_result_1, VectorResultArguments),
    KERNEL(vector_result_2, VectorResultArguments),
    KERNEL(vector_result_4, VectorResultArguments),
    KERNEL(vector_result_8, VectorResultArguments),
};

struct Layout {
    const char* name;
    int bytes;
};

#define FIELD(STRUCT, NAME) {#STRUCT "." #NAME, static_cast<int>(offsetof(STRUCT, NAME))}

const Layout LAYOUTS[] = {
    {"NormArguments", sizeof(NormArguments)},
    FIELD(NormArguments, weight), FIELD(NormArguments, bias), FIELD(NormArguments, epsilon), FIELD(NormArguments, kind),
    FIELD(NormArguments, weight_offset), FIELD(NormArguments, unused),
    {"KindArguments", sizeof(KindArguments)},
    FIELD(KindArguments, activation), FIELD(KindArguments, gated), FIELD(KindArguments, limit), FIELD(KindArguments, alpha),
    FIELD(KindArguments, up_offset), FIELD(KindArguments, input_factor), FIELD(KindArguments, positive_alpha),
    FIELD(KindArguments, negative_alpha), FIELD(KindArguments, beta), FIELD(KindArguments, epsilon),
    {"InputArguments", sizeof(InputArguments)},
    FIELD(InputArguments, input), FIELD(InputArguments, input_stride), FIELD(InputArguments, output), FIELD(InputArguments, output_stride),
    FIELD(InputArguments, token_scales), FIELD(InputArguments, norm), FIELD(InputArguments, width), FIELD(InputArguments, padded_width),
    {"ActivationArguments", sizeof(ActivationArguments)},
    FIELD(ActivationArguments, product), FIELD(ActivationArguments, product_stride), FIELD(ActivationArguments, output),
    FIELD(ActivationArguments, output_stride), FIELD(ActivationArguments, bias), FIELD(ActivationArguments, channel_scales),
    FIELD(ActivationArguments, token_scales), FIELD(ActivationArguments, output_scales), FIELD(ActivationArguments, padded_width),
    FIELD(ActivationArguments, width), FIELD(ActivationArguments, kind),
    {"TraceArguments", sizeof(TraceArguments)},
    FIELD(TraceArguments, product), FIELD(TraceArguments, product_stride), FIELD(TraceArguments, bias),
    FIELD(TraceArguments, channel_scales), FIELD(TraceArguments, token_scales), FIELD(TraceArguments, pre_activation), FIELD(TraceArguments, activated), FIELD(TraceArguments, up),
    FIELD(TraceArguments, hidden), FIELD(TraceArguments, width), FIELD(TraceArguments, padded_width), FIELD(TraceArguments, kind),
    {"WidenArguments", sizeof(WidenArguments)},
    FIELD(WidenArguments, operand), FIELD(WidenArguments, stride), FIELD(WidenArguments, token_scales), FIELD(WidenArguments, output),
    FIELD(WidenArguments, width), FIELD(WidenArguments, unused),
    {"FinishArguments", sizeof(FinishArguments)},
    FIELD(FinishArguments, product), FIELD(FinishArguments, product_stride), FIELD(FinishArguments, bias),
    FIELD(FinishArguments, channel_scales), FIELD(FinishArguments, token_scales), FIELD(FinishArguments, residual), FIELD(FinishArguments, residual_stride),
    FIELD(FinishArguments, output), FIELD(FinishArguments, output_stride), FIELD(FinishArguments, branch), FIELD(FinishArguments, post),
    FIELD(FinishArguments, width), FIELD(FinishArguments, unused),
    {"GatherArguments", sizeof(GatherArguments)},
    FIELD(GatherArguments, input), FIELD(GatherArguments, input_stride), FIELD(GatherArguments, tokens), FIELD(GatherArguments, output),
    FIELD(GatherArguments, output_stride), FIELD(GatherArguments, width), FIELD(GatherArguments, unused),
    {"CombineArguments", sizeof(CombineArguments)},
    FIELD(CombineArguments, results), FIELD(CombineArguments, result_stride), FIELD(CombineArguments, rows), FIELD(CombineArguments, weights),
    FIELD(CombineArguments, shared), FIELD(CombineArguments, shared_stride), FIELD(CombineArguments, shared_weights),
    FIELD(CombineArguments, residual), FIELD(CombineArguments, residual_stride), FIELD(CombineArguments, output),
    FIELD(CombineArguments, output_stride), FIELD(CombineArguments, top_k), FIELD(CombineArguments, width),
    {"VectorStageArguments", sizeof(VectorStageArguments)},
    FIELD(VectorStageArguments, weights), FIELD(VectorStageArguments, weight_stride), FIELD(VectorStageArguments, vectors),
    FIELD(VectorStageArguments, vector_stride), FIELD(VectorStageArguments, output), FIELD(VectorStageArguments, output_stride),
    FIELD(VectorStageArguments, bias), FIELD(VectorStageArguments, channel_scales), FIELD(VectorStageArguments, tokens),
    FIELD(VectorStageArguments, columns), FIELD(VectorStageArguments, padded_width), FIELD(VectorStageArguments, width),
    FIELD(VectorStageArguments, kind),
    {"VectorResultArguments", sizeof(VectorResultArguments)},
    FIELD(VectorResultArguments, weights), FIELD(VectorResultArguments, weight_stride), FIELD(VectorResultArguments, vectors),
    FIELD(VectorResultArguments, vector_stride), FIELD(VectorResultArguments, output), FIELD(VectorResultArguments, output_stride),
    FIELD(VectorResultArguments, residual), FIELD(VectorResultArguments, residual_stride), FIELD(VectorResultArguments, bias),
    FIELD(VectorResultArguments, channel_scales), FIELD(VectorResultArguments, tokens), FIELD(VectorResultArguments, columns),
    FIELD(VectorResultArguments, width), FIELD(VectorResultArguments, unused),
};

// Two kernels that are wrong, so that a test can see that they are found out.
void disagree(const void*) {
    if (threadIdx.x < 7) {
        __syncthreads();
    }
}

void race(const void* arguments) {
    __shared__ float values[BLOCK_THREADS];
    values[threadIdx.x] = static_cast<float>(threadIdx.x);
    // A barrier is missing here.
    static_cast<float* const*>(arguments)[0][threadIdx.x] = values[(threadIdx.x + 1) % BLOCK_THREADS];
}

const Kernel WRONG_KERNELS[] = {{"wrong_disagree", disagree}, {"wrong_race", race}};

const Kernel* find(const char* name) {
    for (const Kernel& kernel : KERNELS) {
        if (std::strcmp(kernel.name, name) == 0) {
            return &kernel;
        }
    }
    for (const Kernel& kernel : WRONG_KERNELS) {
        if (std::strcmp(kernel.name, name) == 0) {
            return &kernel;
        }
    }
    return nullptr;
}

template <typename T>
void round_all(const float* source, T* target, long long count) {
    for (long long i = 0; i < count; i++) {
        store_one(target + i, source[i]);
    }
}

template <typename T>
void widen_all(const T* source, float* target, long long count) {
    for (long long i = 0; i < count; i++) {
        float values[Element<T>::PER_WORD];
        Element<T>::unpack(source[i].bits, values);
        target[i] = values[0];
    }
}

}

const char* emulation_launch(const char* kernel_name, int grid_x, int grid_y, int block_x, const void* arguments, int order) {
    static std::mutex mutex;
    static thread_local std::string error;
    const std::lock_guard<std::mutex> lock(mutex);
    const Kernel* kernel = find(kernel_name);
    if (kernel == nullptr) {
        error = std::string("no kernel ") + kernel_name;
        return error.c_str();
    }
    if (block_x != BLOCK_THREADS) {
        error = "a block of " + std::to_string(block_x) + " threads";
        return error.c_str();
    }
    gridDim = {static_cast<unsigned int>(grid_x), static_cast<unsigned int>(grid_y)};
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++) {
        for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++) {
            std::fill(__start_shared_memory, __stop_shared_memory, '\xff');
            const bool is_done = block.run(
                block_x, static_cast<emulation::Order>(order), [&] { kernel->call(arguments); },
                [](int thread) { threadIdx = {static_cast<unsigned int>(thread), 0}; });
            if (!is_done) {
                error = std::string(kernel_name) + ": " + block.error();
                return error.c_str();
            }
        }
    }
    return nullptr;
}

int emulation_layout(const char* name) {
    for (const Layout& layout : LAYOUTS) {
        if (std::strcmp(layout.name, name) == 0) {
            return layout.bytes;
        }
    }
    return -1;
}

const char* emulation_kernel(int index) {
    return index < static_cast<int>(sizeof KERNELS / sizeof *KERNELS) ? KERNELS[index].name : nullptr;
}

const char* emulation_field(int index) {
    return index < static_cast<int>(sizeof LAYOUTS / sizeof *LAYOUTS) ? LAYOUTS[index].name : nullptr;
}

void round_to_bf16(const float* source, void* target, long long count) { round_all(source, static_cast<bf16*>(target), count); }
void round_to_f16(const float* source, void* target, long long count) { round_all(source, static_cast<f16*>(target), count); }
void round_to_e4m3(const float* source, void* target, long long count) { round_all(source, static_cast<e4m3*>(target), count); }
void widen_bf16(const void* source, float* target, long long count) { widen_all(static_cast<const bf16*>(source), target, count); }
void widen_f16(const void* source, float* target, long long count) { widen_all(static_cast<const f16*>(source), target, count); }
void widen_e4m3(const void* source, float* target, long long count) { widen_all(static_cast<const e4m3*>(source), target, count); }
