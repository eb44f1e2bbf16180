using System.Text;

namespace NativeFfn.Cli;

/// <summary>Sentences about the backend in use.</summary>
internal static class EngineReport
{
    /// <summary>The backend, its version and threads.</summary>
    public static string Describe(BackendDescription backend) =>
        $"{backend.Name} ({backend.Version}, {backend.Threads} {(backend.Threads == 1 ? "thread" : "threads")}"
        + (backend.Numa is { Nodes: { IsEmpty: false } nodes } ? $" on {nodes.Length} NUMA nodes)" : ")");

    /// <summary>The backend in use and, where a better one was passed over, which and why in short.</summary>
    public static string Describe(BackendSelection selection)
    {
        var text = new StringBuilder(Describe(selection.Chosen));
        foreach (BackendCandidate candidate in selection.Candidates)
        {
            if (candidate.Reason is { } reason && candidate.Kind != selection.Chosen.Kind)
            {
                text.Append("; passed over ").Append(Names<BackendKind>.Of(candidate.Kind)).Append(": ").Append(InShort(reason));
            }
        }

        return text.ToString();
    }

    /// <summary>How a layer's weights are kept and, where something was lost by it, how much.</summary>
    public static string DescribePrecision(FfnLayer layer)
    {
        string name = PrecisionOf(layer);
        return layer.QuantizationError == 0 ? name : $"{name} with a relative error of {layer.QuantizationError:0.0e+00}";
    }

    /// <summary>How a layer's matrices are kept: the precision that was named, or the encodings that were chosen.</summary>
    public static string PrecisionOf(FfnLayer layer) => layer.Engine.Precision.FollowsWeights()
        ? layer.Encodings
        : Names<FfnPrecision>.Of(layer.Engine.Precision);

    /// <summary>A reason's first sentence, without the remedy and the list that may follow.</summary>
    public static string InShort(string reason)
    {
        int line = reason.AsSpan().IndexOfAny('\r', '\n');
        string first = line < 0 ? reason : reason[..line];
        int sentence = first.IndexOf(". ", StringComparison.Ordinal);
        return (sentence < 0 ? first : first[..sentence]).Trim().TrimEnd(':', '.');
    }
}
