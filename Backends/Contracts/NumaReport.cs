using System.Collections.Immutable;
using System.Globalization;

namespace NativeFfn;

/// <summary>Processors with memory of their own, to which an engine binds threads, and whose memory keeps their part of every layer.</summary>
/// <param name="Name">The numbers that the system gives the nodes of these processors, with commas between them; <c>?</c> where it says none.</param>
/// <param name="Processors">The processors, such as <c>0-15,32-47</c>.</param>
/// <param name="Threads">Threads of one forward that run there.</param>
/// <param name="MemoryBytes">The memory of these nodes; 0 where the system does not say.</param>
public sealed record NumaNode(string Name, string Processors, int Threads, long MemoryBytes)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"processors {Processors}, {Threads} {(Threads == 1 ? "thread" : "threads")}{(MemoryBytes == 0 ? string.Empty : $", {MemoryBytes >> 30} GiB")}");
}

/// <summary>How an engine on the CPU uses the machine's NUMA nodes.</summary>
/// <param name="Nodes">The nodes that it binds threads to; none where it binds nothing.</param>
/// <param name="Reason">Why there is nothing to bind; null where there is.</param>
/// <param name="Problem">What the system refuses, or what keeps weights from where they belong; null where all is well.</param>
public sealed record NumaReport(ImmutableArray<NumaNode> Nodes, string? Reason, string? Problem)
{
    /// <summary>What it says, a node or a reason each.</summary>
    internal IEnumerable<string> Lines =>
        [.. Nodes.Select(static node => $"node {node.Name}: {node}"), .. new[] { Reason, Problem }.OfType<string>()];

    /// <inheritdoc/>
    public override string ToString() => string.Join("; ", Lines);
}
