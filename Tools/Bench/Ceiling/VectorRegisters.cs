using System.Runtime.Intrinsics;

namespace NativeFfn.Bench.Ceiling;

/// <summary>One vector register of some width, so that the loops over registers are written once.</summary>
internal unsafe interface IVectorRegister<TVector>
    where TVector : struct, IVectorRegister<TVector>
{
    /// <summary>Floats in it.</summary>
    static abstract int Width { get; }

    /// <summary>Reads a register.</summary>
    static abstract TVector Load(float* source);

    /// <summary>The same number in every place.</summary>
    static abstract TVector Fill(float value);

    /// <summary>left + right.</summary>
    static abstract TVector Add(TVector left, TVector right);

    /// <summary>left · right + addend, rounded once where the processor can.</summary>
    static abstract TVector MultiplyAdd(TVector left, TVector right, TVector addend);

    /// <summary>The sum of its floats.</summary>
    static abstract float Sum(TVector register);
}

/// <summary>512 bits.</summary>
internal readonly unsafe record struct Register512(Vector512<float> Value) : IVectorRegister<Register512>
{
    public static int Width => Vector512<float>.Count;

    public static Register512 Load(float* source) => new(Vector512.Load(source));

    public static Register512 Fill(float value) => new(Vector512.Create(value));

    public static Register512 Add(Register512 left, Register512 right) => new(left.Value + right.Value);

    public static Register512 MultiplyAdd(Register512 left, Register512 right, Register512 addend) =>
        new(Vector512.MultiplyAddEstimate(left.Value, right.Value, addend.Value));

    public static float Sum(Register512 register) => Vector512.Sum(register.Value);
}

/// <summary>256 bits.</summary>
internal readonly unsafe record struct Register256(Vector256<float> Value) : IVectorRegister<Register256>
{
    public static int Width => Vector256<float>.Count;

    public static Register256 Load(float* source) => new(Vector256.Load(source));

    public static Register256 Fill(float value) => new(Vector256.Create(value));

    public static Register256 Add(Register256 left, Register256 right) => new(left.Value + right.Value);

    public static Register256 MultiplyAdd(Register256 left, Register256 right, Register256 addend) =>
        new(Vector256.MultiplyAddEstimate(left.Value, right.Value, addend.Value));

    public static float Sum(Register256 register) => Vector256.Sum(register.Value);
}

/// <summary>128 bits.</summary>
internal readonly unsafe record struct Register128(Vector128<float> Value) : IVectorRegister<Register128>
{
    public static int Width => Vector128<float>.Count;

    public static Register128 Load(float* source) => new(Vector128.Load(source));

    public static Register128 Fill(float value) => new(Vector128.Create(value));

    public static Register128 Add(Register128 left, Register128 right) => new(left.Value + right.Value);

    public static Register128 MultiplyAdd(Register128 left, Register128 right, Register128 addend) =>
        new(Vector128.MultiplyAddEstimate(left.Value, right.Value, addend.Value));

    public static float Sum(Register128 register) => Vector128.Sum(register.Value);
}
