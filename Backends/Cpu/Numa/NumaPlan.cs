using System.Collections.Immutable;
using System.ComponentModel;
using System.Globalization;

namespace NativeFfn.Backends.Cpu.Numa;

/// <summary>How an engine's threads are divided among nodes, and why not where they are not.</summary>
internal sealed class NumaPlan
{
    private readonly NumaReport _report;

    private NumaPlan(NumaSystem system, ImmutableArray<NodeShare> nodes, NumaReport report) => (System, Nodes, _report) = (system, nodes, report);

    /// <summary>The system that it is about.</summary>
    public NumaSystem System { get; }

    /// <summary>The nodes, two or more; or one that stands for the whole machine, where nothing is bound.</summary>
    public ImmutableArray<NodeShare> Nodes { get; }

    /// <summary>Whether threads are bound.</summary>
    public bool IsBound => Nodes.Length > 1;

    /// <summary>The plan for people.</summary>
    /// <param name="whyNotBound">Why threads of the team are not bound that should be; null where all are.</param>
    public NumaReport ReportOf(string? whyNotBound) => whyNotBound is null
        ? _report
        : _report with { Problem = string.Join("; ", new[] { _report.Problem, $"some threads are not bound ({whyNotBound})" }.OfType<string>()) };

    /// <summary>Plans an engine.</summary>
    /// <param name="options">Threads, and the nodes asked for.</param>
    /// <param name="backend">Who asks.</param>
    /// <exception cref="BackendUnavailableException">The options name processors that this process may not use.</exception>
    public static NumaPlan Of(FfnEngineOptions options, BackendKind backend)
    {
        NumaSystem system = options.NumaSystem as NumaSystem ?? NumaSystem.Real;
        _ = NumaSetting.TryParse(options.Numa, out NumaSetting setting);
        if (setting.IsOff)
        {
            return Off(system, options.Threads, "the options say off");
        }

        if (!system.IsKnown)
        {
            return setting.Nodes.IsEmpty
                ? Off(system, options.Threads, "NUMA nodes are used on Linux alone")
                : throw new BackendUnavailableException(
                    backend, $"Numa is {options.Numa}, and threads are bound to processors on Linux alone. Leave it out, or set it to off.");
        }

        if (setting.Nodes.IsEmpty && !Directory.Exists(system.Nodes))
        {
            return Off(system, options.Threads, $"the system tells of no nodes, as there is no {system.Nodes}");
        }

        try
        {
            ImmutableArray<int> allowed = system.ReadProcessors();
            return Bind(system, options, Found(system, setting, allowed, backend));
        }
        catch (Exception problem) when (problem is Win32Exception or InvalidDataException)
        {
            return Refused(system, options.Threads, problem.Message);
        }
    }

    // The nodes with the processors that this process may use.
    private static ImmutableArray<SystemNodes> Found(NumaSystem system, NumaSetting setting, ImmutableArray<int> allowed, BackendKind backend)
    {
        if (setting.Nodes.IsEmpty)
        {
            return
            [
                .. NumaTopology.Read(system.Nodes)
                    .Select(node => new SystemNodes([node], [.. node.Processors.Where(allowed.Contains)]))
                    .Where(static node => !node.Processors.IsEmpty),
            ];
        }

        ImmutableArray<int> other = [.. setting.Nodes.SelectMany(static node => node).Where(processor => !allowed.Contains(processor)).Order()];
        return other.IsEmpty
            ? [.. setting.Nodes.Select(processors => new SystemNodes(NodesOf(system, processors), processors))]
            : throw new BackendUnavailableException(
                backend,
                $"Numa (--numa) names processors {ProcessorList.Of(other)}, and this process may use {ProcessorList.Of(allowed)} alone, by the machine, "
                + "its affinity or its container. Name some of these, or set it to auto or off.");
    }

    // Where lists are given, what the system says of them is told and nothing more.
    private static ImmutableArray<SystemNode> NodesOf(NumaSystem system, ImmutableArray<int> processors)
    {
        try
        {
            return [.. NumaTopology.Read(system.Nodes).Where(node => node.Processors.Any(processors.Contains))];
        }
        catch (InvalidDataException)
        {
            return [];
        }
    }

    private static NumaPlan Bind(NumaSystem system, FfnEngineOptions options, ImmutableArray<SystemNodes> found)
    {
        if (found.Length < 2)
        {
            return Off(system, options.Threads, "this process has processors of one node");
        }

        (ImmutableArray<NodeShare> nodes, ImmutableArray<NumaNode> named) = Divide(found, options.Threads);
        if (nodes.Length < 2)
        {
            return Off(system, options.Threads, "a forward has one thread, which is the caller's");
        }

        if (WhyNotBound(system, nodes) is { } reason)
        {
            return Refused(system, options.Threads, reason);
        }

        return new NumaPlan(system, nodes, new NumaReport(named, null, Problem(system, nodes)));
    }

    // Threads in proportion to processors; a node too many gets none, and no weights either.
    private static (ImmutableArray<NodeShare> Nodes, ImmutableArray<NumaNode> Named) Divide(ImmutableArray<SystemNodes> found, int threads)
    {
        int processors = found.Sum(static node => node.Processors.Length);
        var nodes = ImmutableArray.CreateBuilder<NodeShare>();
        var named = ImmutableArray.CreateBuilder<NumaNode>();
        int before = 0;
        foreach (SystemNodes node in found)
        {
            var part = new NodeShare(before, before += node.Processors.Length, processors);
            var share = new NodeShare((int)part.Start(threads), (int)part.End(threads), threads)
            {
                Processors = node.Processors, SystemNodes = [.. node.Nodes.Select(static known => known.Id)],
            };
            if (share.Threads > 0)
            {
                nodes.Add(share);
                named.Add(new NumaNode(
                    node.Nodes.IsEmpty ? "?" : string.Join(',', share.SystemNodes.Select(static id => id.ToString(CultureInfo.InvariantCulture))),
                    ProcessorList.Of(node.Processors), share.Threads, node.Nodes.Sum(static known => known.MemoryBytes)));
            }
        }

        return (nodes.ToImmutable(), named.ToImmutable());
    }

    private static string? WhyNotBound(NumaSystem system, ImmutableArray<NodeShare> nodes)
    {
        try
        {
            NumaSystem.Apart(() =>
            {
                foreach (NodeShare node in nodes)
                {
                    system.Bind(node.Processors);
                }
            });
            return null;
        }
        catch (Win32Exception refused)
        {
            return refused.Message;
        }
    }

    private static string? Problem(NumaSystem system, ImmutableArray<NodeShare> nodes)
    {
        ImmutableArray<int> other = NumaTopology.AllowedMemory(system.Status) is { } memory
            ? [.. nodes.SelectMany(static node => node.SystemNodes).Distinct().Where(node => !memory.Contains(node)).Order()]
            : [];
        string[] problems =
        [
            .. other.IsEmpty
                ? Array.Empty<string>()
                : [$"this process may not use the memory of node {ProcessorList.Of(other)} (Mems_allowed_list), so weights lie elsewhere"],
            .. NumaTopology.IsBalanced(system.Balancing)
                ? ["the kernel moves pages too, which costs time; kernel.numa_balancing=0 leaves them"]
                : Array.Empty<string>(),
        ];
        return problems.Length == 0 ? null : string.Join("; ", problems);
    }

    private static NumaPlan Off(NumaSystem system, int threads, string reason) =>
        new(system, [NodeShare.Whole(threads)], new NumaReport([], reason, null));

    private static NumaPlan Refused(NumaSystem system, int threads, string problem) =>
        new(system, [NodeShare.Whole(threads)], new NumaReport([], null, $"threads are not bound to nodes: {problem}"));

    private sealed record SystemNodes(ImmutableArray<SystemNode> Nodes, ImmutableArray<int> Processors);
}
