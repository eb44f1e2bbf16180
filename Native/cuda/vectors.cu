// vector_stage_*, vector_result_*: whole stages of 1 to 8 tokens, which the reading of the weights bounds.
//
// A block computes VECTOR_ROWS outputs of every token, a warp ROWS weight rows of them: 2 rows of the gate and their 2 of up in a gated
// stage; else 4 rows, of which two warps share the columns. A lane loads 16 bytes of each row LOADS times before it multiplies, so that
// enough of the weights is under way, and what it reads of a token serves ROWS rows. An output's products are added in one order, whatever
// TOKENS is.
// What is past the last token is computed from the last token and thrown away; there is at least one.
#include "activations.cuh"
#include "arguments.cuh"
#include "reduce.cuh"
#include "rows.cuh"

#define ROWS 4

// Loads of 16 bytes of a row that a lane has under way: with 8 tokens there are no registers for two.
template <int TOKENS>
constexpr int LOADS = TOKENS == 8 ? 1 : 2;

// Columns of 16 bytes of weights, of 16 bytes of a token, and how many of the latter lie beside the former.
constexpr int WEIGHT_COLUMNS = 16 / sizeof(weight_t);
constexpr int TOKEN_COLUMNS = 16 / sizeof(vector_t);
constexpr int PARTS = WEIGHT_COLUMNS / TOKEN_COLUMNS;

// Registers bound the blocks of a multiprocessor, and so many of them have enough loads under way.
#define VECTOR_BOUNDS(TOKENS) __launch_bounds__(BLOCK_THREADS, TOKENS == 1 ? 3 : 2)

typedef Words<4> Vector;

template <int TOKENS>
struct Dots {
    float values[ROWS][TOKENS];
};

// Sums of the block's warps.
template <int TOKENS>
using Partials = Dots<TOKENS>[BLOCK_WARPS];

// Where a lane reads: its first vectors, and how many vectors further on those of its other rows and tokens are. 32 bits reach 64 GiB.
struct Operands {
    const Vector* weights;
    const Vector* tokens;
    unsigned int rows_ahead[ROWS];
    unsigned int token_stride;
    int last_token;
};

// Adds the products of a batch; unless it is WHOLE, the lane's columns end after so many loads.
template <bool WHOLE, int TOKENS>
__device__ __forceinline__ void add_batch(const Operands& operands, int at, int loads, Dots<TOKENS>& dots) {
    const Vector* weights = operands.weights + at;
    const Vector* tokens = operands.tokens + at * PARTS;
    Vector read[LOADS<TOKENS>][ROWS];
#pragma unroll
    for (int row = 0; row < ROWS; row++) {
#pragma unroll
        for (int load = 0; load < LOADS<TOKENS>; load++) {
            const Vector* source = weights + operands.rows_ahead[row] + load * WARP_THREADS;
            read[load][row] = WHOLE || load < loads ? load_streamed(source) : Vector{};
        }
    }
#pragma unroll
    for (int part = 0; part < LOADS<TOKENS> * PARTS; part++) {
        const int load = part / PARTS;
        float weight[ROWS][TOKEN_COLUMNS];
#pragma unroll
        for (int row = 0; row < ROWS; row++) {
            unpack<TOKEN_COLUMNS, weight_t>(read[load][row].words + part % PARTS * (4 / PARTS), weight[row]);
        }
#pragma unroll
        for (int token = 0; token < TOKENS; token++) {
            const unsigned int ahead = min(token, operands.last_token) * operands.token_stride;
            const Vector* source = tokens + ahead + load * WARP_THREADS * PARTS + part % PARTS;
            const Vector vector = WHOLE || load < loads ? load_constant(source) : Vector{};
            float value[TOKEN_COLUMNS];
            unpack<TOKEN_COLUMNS, vector_t>(vector.words, value);
#pragma unroll
            for (int row = 0; row < ROWS; row++) {
#pragma unroll
                for (int i = 0; i < TOKEN_COLUMNS; i++) {
                    dots.values[row][token] = fmaf(weight[row][i], value[i], dots.values[row][token]);
                }
            }
        }
    }
}

// The warp's sums of its rows, into its element of 'partials'. Row r of the block's outputs is weight row first_row + r; in a gated stage
// (up_offset > 0) its up is up_offset rows further on.
template <int TOKENS, typename Arguments>
__device__ __forceinline__ void multiply(const Arguments& arguments, int first_row, int up_offset, Partials<TOKENS>& partials) {
    const int warp = threadIdx.x / WARP_THREADS;
    const int lane = threadIdx.x % WARP_THREADS;
    const int sharers = up_offset > 0 ? 1 : 2;
    const int row_vectors = arguments.columns / WEIGHT_COLUMNS;
    const long long weight_stride = arguments.weight_stride / WEIGHT_COLUMNS;
    const long long token_stride = arguments.vector_stride / TOKEN_COLUMNS;

    Operands operands;
    const long long row = first_row + (up_offset > 0 ? warp * 2 : warp / 2 * ROWS);
    operands.weights = static_cast<const Vector*>(arguments.weights) + row * weight_stride + lane;
    operands.tokens = static_cast<const Vector*>(arguments.vectors) + lane * PARTS;
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        operands.rows_ahead[i] = (up_offset > 0 ? i % 2 + i / 2 * up_offset : i) * weight_stride;
    }
    operands.token_stride = token_stride;
    operands.last_token = arguments.tokens - 1;

    // The first sharer's columns end where a warp's reading does.
    const int share = sharers == 1 ? row_vectors : (row_vectors / 2 + WARP_THREADS - 1) / WARP_THREADS * WARP_THREADS;
    const int end = warp % sharers == 0 ? min(share, row_vectors) : row_vectors;
    const int batch = WARP_THREADS * LOADS<TOKENS>;
    Dots<TOKENS> dots = {};
    int at = warp % sharers * share;
    for (; at + batch <= end; at += batch) {
        add_batch<true>(operands, at, LOADS<TOKENS>, dots);
    }
    if (at < end) {
        add_batch<false>(operands, at, (end - at - lane + WARP_THREADS - 1) / WARP_THREADS, dots);
    }

#pragma unroll
    for (int i = 0; i < ROWS; i++) {
#pragma unroll
        for (int token = 0; token < TOKENS; token++) {
            const float sum = reduce_warp<Sum>(dots.values[i][token]);
            if (lane == 0) {
                partials[warp].values[i][token] = sum;
            }
        }
    }
    __syncthreads();
}

template <int TOKENS>
__device__ __forceinline__ float plain_sum(const Partials<TOKENS>& partials, int row, int token) {
    const int warp = row / ROWS * 2;
    return partials[warp].values[row % ROWS][token] + partials[warp + 1].values[row % ROWS][token];
}

__device__ __forceinline__ float scale_and_bias(float sum, const float* channel_scales, const float* bias, int row) {
    return fmaf(sum, channel_scales != nullptr ? channel_scales[row] : 1.0f, bias != nullptr ? bias[row] : 0.0f);
}

// output[token, row] = act(W_gate·x + b) and, gated, what the activation makes of it and W_up·x + b; up's row j is weight row padded_width + j.
// From width on it is 0: a row of zeros makes NaN of an infinite x.
template <int TOKENS>
__device__ __forceinline__ void vector_stage(const VectorStageArguments& arguments, Partials<TOKENS>& partials) {
    const int first_row = blockIdx.x * VECTOR_ROWS;
    multiply<TOKENS>(arguments, first_row, arguments.kind.gated ? arguments.padded_width : 0, partials);

    const int i = threadIdx.x % VECTOR_ROWS;
    const int token = threadIdx.x / VECTOR_ROWS;
    if (token >= TOKENS || token >= arguments.tokens) {
        return;
    }
    const int row = first_row + i;
    const float projected = arguments.kind.gated ? partials[i / 2].values[i % 2][token] : plain_sum<TOKENS>(partials, i, token);
    float hidden[1] = {scale_and_bias(projected, arguments.channel_scales, arguments.bias, row)};
    activate(arguments.kind, hidden);
    if (arguments.kind.gated) {
        const float sum = partials[i / 2].values[2 + i % 2][token];
        const float up[1] = {scale_and_bias(sum, arguments.channel_scales, arguments.bias, arguments.padded_width + row)};
        gate(arguments.kind, up, hidden);
    }
    store_one(static_cast<vector_t*>(arguments.output) + token * arguments.output_stride + row, row < arguments.width ? hidden[0] : 0.0f);
}

// output[token, row] = W·x + b + residual; the residual may be the output.
template <int TOKENS>
__device__ __forceinline__ void vector_result(const VectorResultArguments& arguments, Partials<TOKENS>& partials) {
    const int first_row = blockIdx.x * VECTOR_ROWS;
    multiply<TOKENS>(arguments, first_row, 0, partials);

    const int i = threadIdx.x % VECTOR_ROWS;
    const int token = threadIdx.x / VECTOR_ROWS;
    const int row = first_row + i;
    if (token >= TOKENS || token >= arguments.tokens || row >= arguments.width) {
        return;
    }
    float value = scale_and_bias(plain_sum<TOKENS>(partials, i, token), arguments.channel_scales, arguments.bias, row);
    if (arguments.residual != nullptr) {
        value += arguments.residual[token * arguments.residual_stride + row];
    }
    arguments.output[token * arguments.output_stride + row] = value;
}

#define VECTOR_KERNELS(TOKENS)                                                                                              \
    extern "C" __global__ void VECTOR_BOUNDS(TOKENS) vector_stage_##TOKENS(const VectorStageArguments arguments) {          \
        __shared__ Partials<TOKENS> partials;                                                                               \
        vector_stage<TOKENS>(arguments, partials);                                                                          \
    }                                                                                                                       \
    extern "C" __global__ void VECTOR_BOUNDS(TOKENS) vector_result_##TOKENS(const VectorResultArguments arguments) {        \
        __shared__ Partials<TOKENS> partials;                                                                               \
        vector_result<TOKENS>(arguments, partials);                                                                         \
    }

VECTOR_KERNELS(1)
VECTOR_KERNELS(2)
VECTOR_KERNELS(4)
VECTOR_KERNELS(8)
