using System.Diagnostics.CodeAnalysis;

namespace NativeFfn.Backends.Simd;

/// <summary>Integer arithmetic on the lanes of 32 bits of a vector: as one integer, as two words of 16 bits or as four bytes.</summary>
/// <typeparam name="TVector">The vector.</typeparam>
internal unsafe interface IIntegerSimd<TVector>
    where TVector : struct
{
    /// <summary>left + right of 32-bit integers.</summary>
    static abstract TVector AddIntegers(TVector left, TVector right);

    /// <summary>32-bit integers as float32.</summary>
    static abstract TVector ToSingle(TVector integers);

    /// <summary>In each lane the sum of both words' products, as a 32-bit integer.</summary>
    static abstract TVector MultiplyWords(TVector left, TVector right);

    /// <summary>Shifts each word to the left.</summary>
    static abstract TVector ShiftWordsLeft(TVector value, [ConstantExpected] int count);

    /// <summary>Shifts each word to the right, the sign bit moving in.</summary>
    static abstract TVector ShiftWordsRightArithmetic(TVector value, [ConstantExpected] int count);

    /// <summary>
    /// Adds products of bytes, so that <see cref="SumOfBytes"/> of what they were added to is each lane's sum; for as many products of 15 and
    /// 127 as 32 columns have.
    /// </summary>
    /// <param name="sums">What to add to; zero at first.</param>
    /// <param name="unsigned">Bytes from 0 to 15.</param>
    /// <param name="signed">Bytes from -127 to 127.</param>
    static abstract TVector AddBytes(TVector sums, TVector unsigned, TVector signed);

    /// <summary>The sums of <see cref="AddBytes"/> as 32-bit integers.</summary>
    static abstract TVector SumOfBytes(TVector sums);

    /// <summary>Some bits of each lane as a 32-bit integer with its sign.</summary>
    /// <param name="value">The lanes.</param>
    /// <param name="bit">The lowest of the bits.</param>
    /// <param name="bits">How many.</param>
    static abstract TVector TakeSigned(TVector value, int bit, int bits);

    /// <summary>Inverts the bits that are set in the other.</summary>
    static abstract TVector XorBits(TVector left, TVector right);

    /// <summary>The bits that are set in either.</summary>
    static abstract TVector OrBits(TVector left, TVector right);

    /// <summary>Reads as many bytes as the vector has lanes, at any alignment, each to a lane of 32 bits.</summary>
    static abstract TVector LoadBytes(byte* source);

    /// <summary>Whether <see cref="LookUp"/> is one instruction, which no conversion of integers is faster than.</summary>
    static virtual bool LooksUpAtOnce => false;

    /// <summary>Reads each lane's number of a table.</summary>
    /// <param name="table">16 numbers.</param>
    /// <param name="indices">The lanes, of whose integers the lowest 4 bits count.</param>
    static abstract TVector LookUp(float* table, TVector indices);

    /// <summary>Reads as many bfloat16 numbers as the vector has lanes, at any alignment, as float32.</summary>
    static abstract TVector LoadBFloat16(ushort* source);
}
