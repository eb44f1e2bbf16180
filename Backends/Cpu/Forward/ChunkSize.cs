using System.Collections.Immutable;
using NativeFfn.Backends.Cpu.Memory;

namespace NativeFfn.Backends.Cpu.Forward;

/// <summary>How many tokens are run at a time: all chunks of a forward are about the same size, because a last one of few would read every weight for them.</summary>
internal static class ChunkSize
{
    /// <summary>Tokens run at a time at least, however wide the layer: fewer would read the weights too often.</summary>
    private const int MinTokens = 64;

    /// <summary>Bytes that a group's rows should keep to, of the order of a server's last-level cache.</summary>
    private const long GroupBytes = 32 * 1024 * 1024;

    /// <summary>Tokens of a mixture's chunk at most: as many as can share one reading of an expert's weights.</summary>
    private const int MaxMixtureTokens = 2048;

    /// <summary>Bytes that the results of a mixture's chunk should keep to, which are written once and read once.</summary>
    private const long MixtureBytes = 128 * 1024 * 1024;

    /// <summary>Tokens of a network that are run at a time.</summary>
    /// <param name="stages">The network's stages.</param>
    /// <param name="tokens">Its tokens.</param>
    /// <param name="most">Tokens that its GEMM multiplies at a time.</param>
    public static int OfNetwork(ImmutableArray<FfnStage> stages, int tokens, int most)
    {
        long widest = 0;
        foreach (FfnStage stage in stages)
        {
            widest = Math.Max(widest, stage.Width);
        }

        long width = stages[0].InputWidth + stages[^1].Width + (2 * widest);
        return Even(tokens, Math.Clamp(GroupBytes / (width * sizeof(float)), MinTokens, most));
    }

    /// <summary>Tokens of a mixture that are run at a time.</summary>
    public static int OfMixture(FfnSpec spec, int tokens) =>
        Even(tokens, Math.Clamp(MixtureBytes / (ResultRows(spec) * NativeBuffer.Align(spec.OutputWidth) * sizeof(float)), MinTokens, MaxMixtureTokens));

    /// <summary>Result rows of one token of a mixture.</summary>
    public static int ResultRows(FfnSpec spec) => spec.Mixture!.TopK + (spec.Mixture.SharedDFf > 0 ? 1 : 0);

    private static int Even(int tokens, long most)
    {
        long chunks = (tokens + most - 1) / most;
        return (int)((tokens + chunks - 1) / chunks);
    }
}
