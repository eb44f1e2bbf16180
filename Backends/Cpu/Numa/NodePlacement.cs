using System.Collections.Immutable;
using System.Globalization;

namespace NativeFfn.Backends.Cpu.Numa;

/// <summary>Where the memory of some weights was put, and found.</summary>
/// <param name="nodes">The nodes.</param>
internal sealed class NodePlacement(ImmutableArray<NodeShare> nodes)
{
    private readonly long[] _bytes = new long[nodes.Length];
    private int _pages;
    private int _elsewhere;
    private string? _refused;
    private string? _unknown;

    /// <summary>Bytes were put on a node.</summary>
    public void Add(int node, long bytes) => _bytes[node] += bytes;

    /// <summary>A page was found on its node, or elsewhere.</summary>
    public void Found(bool isThere)
    {
        _pages++;
        _elsewhere += isThere ? 0 : 1;
    }

    /// <summary>Memory could not be put where it belongs.</summary>
    public void Refused(string reason) => _refused ??= reason;

    /// <summary>The system does not say where pages are.</summary>
    public void Unknown(string reason) => _unknown ??= reason;

    /// <summary>The placements of a layer together; empty where there are none.</summary>
    public static string Describe(IEnumerable<NodePlacement> placements)
    {
        NodePlacement? sum = null;
        foreach (NodePlacement placement in placements)
        {
            sum ??= new NodePlacement(placement.Nodes);
            sum.Add(placement);
        }

        return sum?.ToString() ?? string.Empty;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{string.Join(", ", nodes.Zip(_bytes, static (node, bytes) => $"{bytes} bytes near processors {ProcessorList.Of(node.Processors)}"))}"
        + $"{(_elsewhere == 0 ? string.Empty : $"; {_elsewhere} of {_pages} pages asked about lie on other nodes")}"
        + $"{(_refused is null ? string.Empty : $"; some lie anywhere ({_refused})")}"
        + $"{(_unknown is null ? string.Empty : $"; whether they lie there is not known ({_unknown})")}");

    private ImmutableArray<NodeShare> Nodes => nodes;

    private void Add(NodePlacement other)
    {
        for (int node = 0; node < _bytes.Length; node++)
        {
            _bytes[node] += other._bytes[node];
        }

        _pages += other._pages;
        _elsewhere += other._elsewhere;
        _refused ??= other._refused;
        _unknown ??= other._unknown;
    }
}
