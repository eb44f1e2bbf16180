namespace NativeFfn.Cli;

/// <summary>Bytes in words, in powers of ten.</summary>
internal static class ByteSize
{
    public static string Of(long bytes) => bytes switch
    {
        < 1_000_000 => $"{bytes / 1e3:0.0} kB",
        < 1_000_000_000 => $"{bytes / 1e6:0.0} MB",
        _ => $"{bytes / 1e9:0.0} GB",
    };
}
