namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>A block type of ggml: so many weights in so many bytes, little-endian. Types are named as ggml spells them.</summary>
/// <remarks>
/// In the formulas b is the block's bytes, f16(o) the half at byte o, i the weight's place in the block, / the integer division. A weight
/// is a product or the sum of two; the products are exact in float32, so that a decoder rounds once whatever its order, and all agree bit
/// by bit. Format: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h.
/// </remarks>
internal interface IGgmlBlock
{
    /// <summary>The type's name in ggml, in lower case.</summary>
    static abstract string Name { get; }

    /// <summary>Weights of a block.</summary>
    static abstract int Columns { get; }

    /// <summary>Bytes of a block.</summary>
    static abstract int Bytes { get; }

    /// <summary>Reads a block.</summary>
    /// <param name="block"><see cref="Bytes"/> bytes.</param>
    /// <param name="weights">Receives <see cref="Columns"/> weights.</param>
    static abstract void Decode(ReadOnlySpan<byte> block, Span<float> weights);

    /// <summary>What weights mean as codes with scales, which panels hold as they are.</summary>
    static abstract CodeForm Codes { get; }

    /// <summary>Reads a group of a block as codes.</summary>
    /// <param name="block">The block.</param>
    /// <param name="group">The group of <see cref="CodeForm.UnitColumns"/> weights.</param>
    /// <param name="codes">Receives as many codes.</param>
    static abstract CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes);
}
