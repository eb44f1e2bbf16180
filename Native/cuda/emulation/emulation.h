// What the tests call.
#pragma once

#pragma GCC visibility push(default)

extern "C" {

// Runs a kernel over a grid; order 0 runs the threads of a block forwards between two barriers, 1 backwards. Null, or what went wrong.
const char* emulation_launch(const char* kernel, int grid_x, int grid_y, int block_x, const void* arguments, int order);

// The names of the kernels and of the structs and their fields ("InputArguments.width"), by number; null past the last.
const char* emulation_kernel(int index);
const char* emulation_field(int index);

// The size of a struct or the offset of its field; -1 where there is none.
int emulation_layout(const char* name);

// The conversions of elements.cuh, in their plain C branch.
void round_to_bf16(const float* source, void* target, long long count);
void round_to_f16(const float* source, void* target, long long count);
void round_to_e4m3(const float* source, void* target, long long count);
void widen_bf16(const void* source, float* target, long long count);
void widen_f16(const void* source, float* target, long long count);
void widen_e4m3(const void* source, float* target, long long count);

}

#pragma GCC visibility pop
