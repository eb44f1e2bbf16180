namespace NativeFfn.Tests.Software;

/// <summary>The recording of one stream into a graph. A single stream: forks into others are answered as not supported.</summary>
internal sealed class Capture(SoftwareStream stream, int mode)
{
    public const int Global = 0;
    public const int ThreadLocal = 1;
    public const int Relaxed = 2;

    public SoftwareStream Stream { get; } = stream;

    public int Mode { get; } = mode;

    /// <summary>Who may end it, but for a relaxed one.</summary>
    public Thread Thread { get; } = Thread.CurrentThread;

    public List<Operation> Nodes { get; } = [];

    /// <summary>Whether a forbidden call spoiled it.</summary>
    public bool IsInvalid { get; set; }
}

/// <summary>What a capture recorded.</summary>
internal sealed class SoftwareGraph(SoftwareContext context, IReadOnlyList<Operation> nodes)
{
    public SoftwareContext Context { get; } = context;

    public IReadOnlyList<Operation> Nodes { get; } = nodes;
}

/// <summary>A graph that can be launched.</summary>
internal sealed class SoftwareGraphExec(SoftwareContext context, IReadOnlyList<Operation> nodes)
{
    public SoftwareContext Context { get; } = context;

    public IReadOnlyList<Operation> Nodes { get; } = nodes;
}

/// <summary>All nodes of a graph, one after the other.</summary>
internal sealed class GraphOperation(Launch launch, SoftwareGraphExec graph) : Operation(launch)
{
    public override object? Exclusive =>
        graph.Nodes.Select(static node => node.Exclusive).FirstOrDefault(static exclusive => exclusive is not null);

    public override void Execute(SoftwareDevice device, SoftwareStream stream)
    {
        foreach (Operation node in graph.Nodes)
        {
            node.Execute(device, stream);
            stream.Clock += node.Milliseconds(device);
        }
    }

    public override double Milliseconds(SoftwareDevice device) => 0;

    public override bool Uses(Allocation pinned) => graph.Nodes.Any(node => node.Uses(pinned));
}
