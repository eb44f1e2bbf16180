using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Cpu.Simd;

/// <summary>One width of float32 vector, so that a kernel's arithmetic is written once for all of them.</summary>
/// <typeparam name="TVector">The vector.</typeparam>
internal unsafe interface ISimd<TVector>
    where TVector : struct
{
    /// <summary>Elements of a vector.</summary>
    static abstract int Count { get; }

    /// <summary>Tokens that a product's tile holds beside 4 weight rows without running out of registers.</summary>
    static abstract int TileTokens { get; }

    static abstract TVector Zero { get; }

    /// <summary>Reads <see cref="Count"/> elements at any alignment.</summary>
    static abstract TVector Load(float* source);

    /// <summary>Writes <see cref="Count"/> elements at any alignment.</summary>
    static abstract void Store(TVector value, float* destination);

    static abstract TVector Broadcast(float value);

    static abstract TVector Add(TVector left, TVector right);

    static abstract TVector Subtract(TVector left, TVector right);

    static abstract TVector Multiply(TVector left, TVector right);

    static abstract TVector Divide(TVector left, TVector right);

    /// <summary>left · right + addend, rounded once where the processor can do that at full speed.</summary>
    static abstract TVector MultiplyAdd(TVector left, TVector right, TVector addend);

    static abstract TVector Abs(TVector value);

    static abstract TVector Exp(TVector value);

    /// <summary>Where left &lt; right, then; elsewhere, NaN included, otherwise.</summary>
    static abstract TVector SelectLess(TVector left, TVector right, TVector then, TVector otherwise);

    /// <summary>The sum of the elements.</summary>
    static abstract float Sum(TVector value);

    /// <summary>The sums of the elements of four vectors, each in the order in which the others are summed.</summary>
    static abstract Vector128<float> Sum(TVector first, TVector second, TVector third, TVector fourth);
}
