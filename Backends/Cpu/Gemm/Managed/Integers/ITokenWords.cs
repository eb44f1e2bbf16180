namespace NativeFfn.Backends.Cpu.Gemm.Managed.Integers;

/// <summary>Tokens as words, whose integers have some bits.</summary>
internal interface ITokenWords
{
    /// <summary>The form.</summary>
    static abstract TokenForm Form { get; }
}

/// <summary>Integers of 16 bits.</summary>
internal readonly struct WideWords : ITokenWords
{
    public static TokenForm Form => TokenForm.Words;
}

/// <summary>Integers of 8 bits.</summary>
internal readonly struct NarrowWords : ITokenWords
{
    public static TokenForm Form => TokenForm.NarrowWords;
}
