namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>A block type whose weights are codes with scales, which panels hold as they are.</summary>
internal interface ICodeBlock : IGgmlBlock
{
    /// <summary>What the codes mean.</summary>
    static abstract CodeForm Codes { get; }

    /// <summary>Reads a group of a block.</summary>
    /// <param name="block">The block.</param>
    /// <param name="group">The group of <see cref="CodeForm.UnitColumns"/> weights.</param>
    /// <param name="codes">Receives as many codes.</param>
    static abstract CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes);
}
