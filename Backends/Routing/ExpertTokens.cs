namespace NativeFfn.Backends.Routing;

/// <summary>Counts the tokens that each expert of a mixture was sent. Safe for use by several threads at once.</summary>
/// <param name="experts">Experts.</param>
internal sealed class ExpertTokens(int experts)
{
    private readonly long[] _counts = new long[experts];

    /// <summary>Counts tokens that are sent to an expert.</summary>
    public void Add(int expert, int tokens) => Interlocked.Add(ref _counts[expert], tokens);

    /// <summary>Copies the counts.</summary>
    /// <param name="counts">Receives one count an expert.</param>
    public void Read(Span<long> counts)
    {
        for (int i = 0; i < counts.Length; i++)
        {
            counts[i] = Volatile.Read(ref _counts[i]);
        }
    }
}
