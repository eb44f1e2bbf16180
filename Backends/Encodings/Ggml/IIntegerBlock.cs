namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>A block type whose weights are integers, 32 neighbouring ones to a scale and an offset: w = scale · integer + offset.</summary>
internal interface IIntegerBlock : IGgmlBlock
{
    /// <summary>Bits of an integer, 4 or 8.</summary>
    static abstract int Bits { get; }

    /// <summary>Whether there are offsets.</summary>
    static abstract bool HasOffsets { get; }

    /// <summary>Reads a group of a block.</summary>
    /// <param name="block">The block.</param>
    /// <param name="group">The group of 32 weights.</param>
    /// <param name="integers">Receives 32 integers.</param>
    /// <returns>Their scale and offset.</returns>
    static abstract (float Scale, float Offset) ReadIntegers(ReadOnlySpan<byte> block, int group, Span<sbyte> integers);
}
