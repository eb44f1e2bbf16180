// Stored numbers as raw integers in structs of their own, their conversions to and from float32, and vectors of 16 bytes of them.
// No CUDA header is needed. The PTX and the plain C branches give the same bits.
#pragma once

#include "bits.cuh"

struct bf16 {
    unsigned short bits;
};

struct f16 {
    unsigned short bits;
};

// 1 sign, 4 exponent and 3 mantissa bits, bias 7, largest value 448, no infinity; all ones but the sign is NaN.
struct e4m3 {
    unsigned char bits;
};

// The types of a precision. weight_t: stored weights. operand_t: what a token brings into a GEMM. product_t: what a hidden stage's GEMM
// writes. vector_t: what a token brings into the vector kernels.
#if defined(NATIVEFFN_F32)
typedef float weight_t, operand_t, product_t, vector_t;
#elif defined(NATIVEFFN_BF16)
typedef bf16 weight_t, operand_t, product_t, vector_t;
#elif defined(NATIVEFFN_F16)
typedef f16 weight_t, operand_t, product_t, vector_t;
#elif defined(NATIVEFFN_E4M3)
typedef e4m3 weight_t, operand_t;
typedef bf16 product_t, vector_t;
#else
#error "Define NATIVEFFN_F32, NATIVEFFN_BF16, NATIVEFFN_F16 or NATIVEFFN_E4M3."
#endif

// Numbers that a thread handles at once: a vector of 16 bytes of product_t.
constexpr int CHUNK = 16 / sizeof(product_t);

// How a 32-bit word holds numbers of a type. pack rounds to nearest even.
template <typename T>
struct Element;

template <>
struct Element<float> {
    static constexpr int PER_WORD = 1;

    static __device__ __forceinline__ void unpack(unsigned int word, float* values) { values[0] = as_float(word); }

    static __device__ __forceinline__ unsigned int pack(const float* values) { return as_bits(values[0]); }
};

// NaN becomes 0x7fff, and what is too large infinity.
template <>
struct Element<bf16> {
    static constexpr int PER_WORD = 2;

    static __device__ __forceinline__ void unpack(unsigned int word, float* values) {
        values[0] = as_float(word << 16);
        values[1] = as_float(word & 0xffff0000u);
    }

    static __device__ __forceinline__ unsigned int pack(const float* values) {
#if defined(__CUDA_ARCH__)
        unsigned int word;
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(values[1]), "f"(values[0]));
        return word;
#else
        return round(as_bits(values[0])) | round(as_bits(values[1])) << 16;
#endif
    }

private:
    static __device__ __forceinline__ unsigned int round(unsigned int bits) {
        return is_nan(bits) ? 0x7fffu : (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
    }
};

// NaN becomes 0x7fff, and what is too large infinity.
template <>
struct Element<f16> {
    static constexpr int PER_WORD = 2;

    static __device__ __forceinline__ void unpack(unsigned int word, float* values) {
#if defined(__CUDA_ARCH__)
        asm("{ .reg .f16 low, high; mov.b32 {low, high}, %2; cvt.f32.f16 %0, low; cvt.f32.f16 %1, high; }"
            : "=f"(values[0]), "=f"(values[1])
            : "r"(word));
#else
        values[0] = widen(word & 0xffffu);
        values[1] = widen(word >> 16);
#endif
    }

    static __device__ __forceinline__ unsigned int pack(const float* values) {
#if defined(__CUDA_ARCH__)
        unsigned int word;
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(values[1]), "f"(values[0]));
        return word;
#else
        return round(values[0]) | round(values[1]) << 16;
#endif
    }

private:
    // The exponent is rebiased by a product with 2^112, which also makes subnormal numbers normal.
    static __device__ __forceinline__ float widen(unsigned int half) {
        unsigned int sign = (half & 0x8000u) << 16;
        unsigned int magnitude = half & 0x7fffu;
        if (magnitude > 0x7c00u) {
            return as_float(0x7fffffffu);
        }
        return magnitude == 0x7c00u ? as_float(sign | INFINITY_BITS) : as_float(sign | as_bits(as_float(magnitude << 13) * 0x1p112f));
    }

    static __device__ __forceinline__ unsigned int round(float value) {
        unsigned int sign = as_bits(value) >> 16 & 0x8000u;
        unsigned int bits = as_bits(value) & 0x7fffffffu;
        if (is_nan(bits)) {
            return 0x7fffu;
        }
        if (bits >= 0x47800000u) {  // 65536 and more
            return sign | 0x7c00u;
        }
        if (bits < 0x38800000u) {  // under 2^-14: a whole number of 2^-24, which the addition of 0.5 rounds to
            return sign | (as_bits(as_float(bits) + 0.5f) - 0x3f000000u);
        }
        return sign | ((bits - 0x38000000u + 0xfffu + (bits >> 13 & 1)) >> 13);  // 65520 and more carry into infinity
    }
};

// What is too large becomes 448; NaN and, as there is no infinity, infinities become NaN, 0x7f.
template <>
struct Element<e4m3> {
    static constexpr int PER_WORD = 4;

    static __device__ __forceinline__ void unpack(unsigned int word, float* values) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
        unsigned int halves[2];
        asm("{ .reg .b16 low, high; mov.b32 {low, high}, %2; cvt.rn.f16x2.e4m3x2 %0, low; cvt.rn.f16x2.e4m3x2 %1, high; }"
            : "=r"(halves[0]), "=r"(halves[1])
            : "r"(word));
        Element<f16>::unpack(halves[0], values);
        Element<f16>::unpack(halves[1], values + 2);
#else
        for (int i = 0; i < PER_WORD; i++) {
            values[i] = widen(word >> 8 * i & 0xffu);
        }
#endif
    }

    static __device__ __forceinline__ unsigned int pack(const float* values) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
        unsigned int word;
        asm("{ .reg .b16 low, high; cvt.rn.satfinite.e4m3x2.f32 low, %2, %1; cvt.rn.satfinite.e4m3x2.f32 high, %4, %3;"
            " mov.b32 %0, {low, high}; }"
            : "=r"(word)
            : "f"(finite_or_nan(values[0])), "f"(finite_or_nan(values[1])), "f"(finite_or_nan(values[2])), "f"(finite_or_nan(values[3])));
        return word;
#else
        return round(values[0]) | round(values[1]) << 8 | round(values[2]) << 16 | round(values[3]) << 24;
#endif
    }

private:
    // The exponent is rebiased by a product with 2^120, which also makes subnormal numbers normal.
    static __device__ __forceinline__ float widen(unsigned int byte) {
        unsigned int magnitude = byte & 0x7fu;
        float value = as_float(magnitude << 20) * 0x1p120f;
        return as_float((byte & 0x80u) << 24 | (magnitude == 0x7fu ? 0x7fffffffu : as_bits(value)));
    }

    // cvt would turn an infinity into 448.
    static __device__ __forceinline__ float finite_or_nan(float value) {
        return (as_bits(value) & 0x7fffffffu) < INFINITY_BITS ? value : as_float(0x7fffffffu);
    }

    static __device__ __forceinline__ unsigned int round(float value) {
        unsigned int sign = as_bits(value) >> 24 & 0x80u;
        unsigned int bits = as_bits(value) & 0x7fffffffu;
        if (bits >= INFINITY_BITS) {
            return 0x7fu;
        }
        if (bits >= 0x43e00000u) {  // 448 and more
            return sign | 0x7eu;
        }
        if (bits < 0x3c800000u) {  // under 2^-6: a whole number of 2^-9, which the addition of 2^14 rounds to
            return sign | (as_bits(as_float(bits) + 0x1p14f) - as_bits(0x1p14f));
        }
        return sign | ((bits - 0x3c000000u + 0x7ffffu + (bits >> 20 & 1)) >> 20);
    }
};

// COUNT words that are read and written at once.
template <int COUNT>
struct alignas(4 * COUNT) Words {
    unsigned int words[COUNT];
};

// The N numbers of as many words as they fill.
template <int N, typename T>
__device__ __forceinline__ void unpack(const unsigned int* words, float (&values)[N]) {
#pragma unroll
    for (int i = 0; i < N / Element<T>::PER_WORD; i++) {
        Element<T>::unpack(words[i], values + i * Element<T>::PER_WORD);
    }
}

// Reads N numbers, which fill one or more vectors of 8 or 16 bytes and lie aligned to them.
template <int N, typename T>
__device__ __forceinline__ void load(const T* source, float (&values)[N]) {
    constexpr int WORDS = N / Element<T>::PER_WORD;
    constexpr int VECTOR = WORDS < 4 ? WORDS : 4;
    const Words<VECTOR>* vectors = reinterpret_cast<const Words<VECTOR>*>(source);
#pragma unroll
    for (int i = 0; i < WORDS / VECTOR; i++) {
        const Words<VECTOR> vector = vectors[i];
#pragma unroll
        for (int j = 0; j < VECTOR; j++) {
            Element<T>::unpack(vector.words[j], values + (i * VECTOR + j) * Element<T>::PER_WORD);
        }
    }
}

// Rounds and writes N numbers, under the same conditions.
template <int N, typename T>
__device__ __forceinline__ void store(T* target, const float (&values)[N]) {
    constexpr int WORDS = N / Element<T>::PER_WORD;
    constexpr int VECTOR = WORDS < 4 ? WORDS : 4;
    Words<VECTOR>* vectors = reinterpret_cast<Words<VECTOR>*>(target);
#pragma unroll
    for (int i = 0; i < WORDS / VECTOR; i++) {
        Words<VECTOR> vector;
#pragma unroll
        for (int j = 0; j < VECTOR; j++) {
            vector.words[j] = Element<T>::pack(values + (i * VECTOR + j) * Element<T>::PER_WORD);
        }
        vectors[i] = vector;
    }
}

// Rounds and writes one number.
__device__ __forceinline__ void store_one(float* target, float value) { *target = value; }

template <typename T>
__device__ __forceinline__ void store_one(T* target, float value) {
    const float values[Element<T>::PER_WORD] = {value};
    target->bits = static_cast<decltype(T::bits)>(Element<T>::pack(values));
}

// 16 bytes that nothing writes while the kernel runs.
__device__ __forceinline__ Words<4> load_constant(const Words<4>* source) {
#if defined(__CUDA_ARCH__)
    Words<4> vector;
    asm("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];"
        : "=r"(vector.words[0]), "=r"(vector.words[1]), "=r"(vector.words[2]), "=r"(vector.words[3])
        : "l"(source));
    return vector;
#else
    return *source;
#endif
}

// The same, of what is read once and would only push better things out of the L1 cache.
__device__ __forceinline__ Words<4> load_streamed(const Words<4>* source) {
#if defined(__CUDA_ARCH__)
    Words<4> vector;
    asm("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
        : "=r"(vector.words[0]), "=r"(vector.words[1]), "=r"(vector.words[2]), "=r"(vector.words[3])
        : "l"(source));
    return vector;
#else
    return *source;
#endif
}
