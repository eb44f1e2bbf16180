using System.Diagnostics.CodeAnalysis;

namespace NativeFfn.Backends.Simd;

/// <summary>One width of float32 vector, so that a kernel's arithmetic is written once for all of them.</summary>
/// <typeparam name="TVector">The vector.</typeparam>
internal unsafe interface ISimd<TVector>
    where TVector : struct
{
    /// <summary>Elements of a vector.</summary>
    static abstract int Count { get; }

    /// <summary>Tokens that a product's tile holds, two accumulators each, without running out of registers; one of the tiles that are written out.</summary>
    static abstract int TileTokens { get; }

    static abstract TVector Zero { get; }

    /// <summary>Reads <see cref="Count"/> elements at any alignment.</summary>
    static abstract TVector Load(float* source);

    /// <summary>Writes <see cref="Count"/> elements at any alignment.</summary>
    static abstract void Store(TVector value, float* destination);

    static abstract TVector Broadcast(float value);

    /// <summary>Reads one element into all; one instruction, where a value that is in a register already takes another.</summary>
    static abstract TVector LoadAndBroadcast(float* source);

    static abstract TVector Add(TVector left, TVector right);

    static abstract TVector Subtract(TVector left, TVector right);

    static abstract TVector Multiply(TVector left, TVector right);

    static abstract TVector Divide(TVector left, TVector right);

    /// <summary>left · right + addend, rounded once where the processor can do that at full speed.</summary>
    static abstract TVector MultiplyAdd(TVector left, TVector right, TVector addend);

    static abstract TVector Abs(TVector value);

    /// <summary>The nearest whole numbers.</summary>
    static abstract TVector Round(TVector value);

    /// <summary>2 to the power of whole numbers from -126 to 127.</summary>
    static abstract TVector PowerOfTwo(TVector wholeNumber);

    /// <summary>Within bounds; what a NaN becomes is left open.</summary>
    static abstract TVector Clamp(TVector value, TVector least, TVector most);

    /// <summary>Where left &lt; right, then; elsewhere, NaN included, otherwise.</summary>
    static abstract TVector SelectLess(TVector left, TVector right, TVector then, TVector otherwise);

    /// <summary>The value where it is a number, itself where it is NaN.</summary>
    static abstract TVector KeepNaN(TVector number, TVector original);

    /// <summary>The sum of the elements.</summary>
    static abstract float Sum(TVector value);

    /// <summary>Reads <see cref="Count"/> 8-bit integers at any alignment, and makes them float32.</summary>
    static abstract TVector LoadInt8(sbyte* source);

    /// <summary>The same 32 bits in every element.</summary>
    static abstract TVector BroadcastBits(uint bits);

    static abstract TVector AndBits(TVector left, TVector right);

    static abstract TVector ShiftBitsLeft(TVector value, [ConstantExpected] int count);

    /// <summary>Shifts each element's bits to the right, the sign bit moving in.</summary>
    static abstract TVector ShiftBitsRightArithmetic(TVector value, [ConstantExpected] int count);
}
