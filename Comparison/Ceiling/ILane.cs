using System.Runtime.Intrinsics;

namespace NativeFfn.Comparison.Ceiling;

/// <summary>One vector register of some width, so that the loops below are written once.</summary>
internal unsafe interface ILane<TLane>
    where TLane : struct, ILane<TLane>
{
    /// <summary>Floats in it.</summary>
    static abstract int Width { get; }

    /// <summary>Reads a register.</summary>
    static abstract TLane Load(float* source);

    /// <summary>The same number in every place.</summary>
    static abstract TLane Fill(float value);

    /// <summary>left + right.</summary>
    static abstract TLane Add(TLane left, TLane right);

    /// <summary>left · right + addend, rounded once where the processor can.</summary>
    static abstract TLane MultiplyAdd(TLane left, TLane right, TLane addend);

    /// <summary>The sum of its floats.</summary>
    static abstract float Sum(TLane lane);
}

/// <summary>512 bits.</summary>
internal readonly unsafe record struct Lane512(Vector512<float> Value) : ILane<Lane512>
{
    public static int Width => Vector512<float>.Count;

    public static Lane512 Load(float* source) => new(Vector512.Load(source));

    public static Lane512 Fill(float value) => new(Vector512.Create(value));

    public static Lane512 Add(Lane512 left, Lane512 right) => new(left.Value + right.Value);

    public static Lane512 MultiplyAdd(Lane512 left, Lane512 right, Lane512 addend) =>
        new(Vector512.MultiplyAddEstimate(left.Value, right.Value, addend.Value));

    public static float Sum(Lane512 lane) => Vector512.Sum(lane.Value);
}

/// <summary>256 bits.</summary>
internal readonly unsafe record struct Lane256(Vector256<float> Value) : ILane<Lane256>
{
    public static int Width => Vector256<float>.Count;

    public static Lane256 Load(float* source) => new(Vector256.Load(source));

    public static Lane256 Fill(float value) => new(Vector256.Create(value));

    public static Lane256 Add(Lane256 left, Lane256 right) => new(left.Value + right.Value);

    public static Lane256 MultiplyAdd(Lane256 left, Lane256 right, Lane256 addend) =>
        new(Vector256.MultiplyAddEstimate(left.Value, right.Value, addend.Value));

    public static float Sum(Lane256 lane) => Vector256.Sum(lane.Value);
}

/// <summary>128 bits.</summary>
internal readonly unsafe record struct Lane128(Vector128<float> Value) : ILane<Lane128>
{
    public static int Width => Vector128<float>.Count;

    public static Lane128 Load(float* source) => new(Vector128.Load(source));

    public static Lane128 Fill(float value) => new(Vector128.Create(value));

    public static Lane128 Add(Lane128 left, Lane128 right) => new(left.Value + right.Value);

    public static Lane128 MultiplyAdd(Lane128 left, Lane128 right, Lane128 addend) =>
        new(Vector128.MultiplyAddEstimate(left.Value, right.Value, addend.Value));

    public static float Sum(Lane128 lane) => Vector128.Sum(lane.Value);
}
