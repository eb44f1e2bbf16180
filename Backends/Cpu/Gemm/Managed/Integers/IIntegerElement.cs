using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Integers;

/// <summary>Weights of some bits in a panel, and how they are multiplied with integers of tokens without becoming floats; see <see cref="PanelFormat"/>.</summary>
/// <remarks>
/// Blocks of columns are two vectors with a lane of 32 bits a row. A block is multiplied in steps, each by one lane of a token.
/// </remarks>
/// <typeparam name="TSimd">The vectors, two of which have a lane for each row of a panel.</typeparam>
/// <typeparam name="TVector">The vector.</typeparam>
internal unsafe interface IIntegerElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    /// <summary>Columns of a block.</summary>
    static abstract int BlockColumns { get; }

    /// <summary>Steps of a block, 2 or 4.</summary>
    static abstract int Steps { get; }

    /// <summary>What integers count from, as they are multiplied: weight = scale · (integer - zero).</summary>
    static abstract int Zero { get; }

    /// <summary>The operand of a step, read anew from the first-level cache as registers are all taken.</summary>
    /// <param name="vector">A vector of a block.</param>
    static abstract TVector First(byte* vector);

    /// <inheritdoc cref="First"/>
    static abstract TVector Second(byte* vector);

    /// <summary>The same of the third step, where there are four.</summary>
    static virtual TVector Third(byte* vector) => throw new NotSupportedException("A block has two steps.");

    /// <summary>The same of the fourth step, where there are four.</summary>
    static virtual TVector Fourth(byte* vector) => throw new NotSupportedException("A block has two steps.");

    /// <summary>Adds the products of a step's operand and a token's lane.</summary>
    static abstract TVector Add(TVector sums, TVector operand, TVector token);

    /// <summary>Sums as 32-bit integers.</summary>
    static abstract TVector Sum(TVector sums);

    /// <summary>The integer of a column of a block, as it is stored, of each row.</summary>
    /// <param name="vector">A vector of a block.</param>
    /// <param name="column">The column in the block.</param>
    static abstract TVector Column(byte* vector, int column);

    /// <summary>Stores the integers of a row in a group of the panel.</summary>
    /// <param name="integers">The integers of 32 columns.</param>
    /// <param name="blocks">The group's first block, which was cleared.</param>
    /// <param name="lane">The row's place in the panel.</param>
    static abstract void Pack(ReadOnlySpan<sbyte> integers, byte* blocks, int lane);
}
