using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.ComponentModel;
using NativeFfn.Backends.Cpu.Numa;
using NativeFfn.Bindings.Processors;
using NUnit.Framework;

namespace NativeFfn.Tests.Numa;

/// <summary>A machine of the test's own: files on nodes, what this process may use, and a record of what is asked of the system.</summary>
internal sealed unsafe record FakeMachine : NumaSystem, IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("nativeffn-numa").FullName;

    /// <summary>The error that the system refuses to bind threads with; 0 where it binds them.</summary>
    public int BindError { get; init; }

    /// <summary>Threads that may be bound before the system refuses.</summary>
    public int MostBound { get; init; } = int.MaxValue;

    /// <summary>The error that the system refuses to say where pages are with; 0 where it says.</summary>
    public int PageError { get; init; }

    /// <summary>Where it says that pages are; null for where the real system says.</summary>
    public Func<long, int>? PageNode { get; init; }

    /// <summary>The processors of this process; null for the real ones.</summary>
    public ImmutableArray<int>? Processors { get; init; }

    /// <summary>What threads were bound to, in order.</summary>
    public ConcurrentQueue<ImmutableArray<int>> Bound { get; } = [];

    /// <summary>Pages that were touched for a node, and what the thread was bound to.</summary>
    public ConcurrentQueue<(NodeRange Range, ImmutableArray<int> On)> Touched { get; } = [];

    public override string Nodes => Path.Combine(_folder, "node");

    public override string Status => Path.Combine(_folder, "status");

    public override string Balancing => Path.Combine(_folder, "numa_balancing");

    public override bool IsKnown => true;

    /// <summary>Two processors of this process; the test is ignored where it has fewer.</summary>
    public static (int First, int Second) TwoProcessors()
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Ignore("Threads are bound to processors on Linux alone.");
        }

        ImmutableArray<int> allowed = ThreadAffinity.Read();
        if (allowed.Length < 2)
        {
            Assert.Ignore("This process has one processor.");
        }

        return (allowed[0], allowed[1]);
    }

    /// <summary>Two nodes of one real processor each.</summary>
    public static FakeMachine OfTwoNodes()
    {
        (int first, int second) = TwoProcessors();
        var machine = new FakeMachine();
        machine.AddNode(0, $"{first}\n");
        machine.AddNode(1, $"{second}\n");
        return machine;
    }

    /// <summary>Adds a node.</summary>
    public void AddNode(int id, string processors, long kilobytes = 1 << 20)
    {
        Put($"node/node{id}/cpulist", processors);
        Put($"node/node{id}/meminfo", $"Node {id} MemTotal:       {kilobytes} kB\nNode {id} MemFree:        1 kB\n");
    }

    /// <summary>Writes a file.</summary>
    public void Put(string file, string text)
    {
        string path = Path.Combine(_folder, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }

    public override ImmutableArray<int> ReadProcessors() => Processors ?? base.ReadProcessors();

    public override void Bind(ImmutableArray<int> processors)
    {
        if (BindError != 0 || Bound.Count >= MostBound)
        {
            throw new Win32Exception(BindError, "sched_setaffinity: Operation not permitted");
        }

        Bound.Enqueue(processors);
        if (Processors is null)
        {
            base.Bind(processors);
        }
    }

    public override void Touch(byte* start, long bytes, int node)
    {
        Touched.Enqueue((new NodeRange((long)start, bytes, node), Processors is null ? ThreadAffinity.Read() : []));
        base.Touch(start, bytes, node);
    }

    public override int NodeOf(byte* page) =>
        PageError != 0 ? throw new Win32Exception(PageError, "get_mempolicy: Operation not permitted")
        : PageNode is { } node ? node((long)page)
        : base.NodeOf(page);

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
