using System.Collections.Immutable;
using CsCheck;
using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Cpu.Numa;
using NativeFfn.Bindings.Memory;
using NUnit.Framework;

namespace NativeFfn.Tests.Numa;

/// <summary>Which pages of weights are put on which node, by whom, and what is said where they do not get there.</summary>
public sealed unsafe class NodeMemoryTests
{
    private const int Page = 4096;

    [Test]
    public void Every_whole_page_goes_to_one_node_and_nearly_all_bytes_to_their_own() =>
        Gen.Select(
            Gen.Long[0, 1 << 20], Gen.Int[1, 5], Gen.Int[1, 9].Array[1, 4], Gen.Long[0, 1 << 18].Array[1, 5])
        .Sample((start, gap, threads, lengths) =>
        {
            start = (1L << 30) + (start / NativeBuffer.Alignment * NativeBuffer.Alignment);
            ImmutableArray<NodeShare> nodes = Shares(threads);
            var runs = new List<(long Offset, long Bytes)>();
            long bytes = 0;
            foreach (long length in lengths)
            {
                runs.Add((bytes, length));
                bytes += length + (gap * NativeBuffer.Alignment);
            }

            ImmutableArray<NodeRange> ranges = NodeMemory.Divide(start, bytes, runs, nodes, Page);
            long end = (start + bytes) / Page * Page;
            long at = (start + Page - 1) / Page * Page;
            foreach (NodeRange range in ranges)
            {
                if (range.Start != at || range.Bytes <= 0 || range.Bytes % Page != 0)
                {
                    return false;
                }

                at += range.Bytes;
            }

            return (ranges.IsEmpty || at == end) && runs.TrueForAll(run => IsDivided(run, start, ranges, nodes));
        });

    [Test]
    public void A_matrix_is_divided_as_threads_are()
    {
        ImmutableArray<NodeShare> nodes = Shares(3, 1);
        ImmutableArray<NodeRange> ranges = NodeMemory.Divide(Page, 16 * Page, [(0, 8 * Page), (8 * Page, 8 * Page)], nodes, Page);
        Assert.That(ranges, Is.EqualTo(new NodeRange[]
        {
            new(Page, 6 * Page, 0), new(7 * Page, 2 * Page, 1), new(9 * Page, 6 * Page, 0), new(15 * Page, 2 * Page, 1),
        }));
    }

    [Test]
    public void Nodes_meet_at_a_page_in_large_memory_too()
    {
        using FakeMachine machine = FakeMachine.OfTwoNodes() with { PageNode = static _ => 0 };
        ImmutableArray<NodeShare> nodes = NumaPlan.Of(
            new FfnEngineOptions { Threads = 2, NumaSystem = machine }, BackendKind.Managed).Nodes;
        using var memory = new NativeBuffer(5 * HugePages.Size / 2 / sizeof(float), "A test");
        string placement = new NodeMemory(nodes, machine).Place(memory, [(0, memory.ByteLength)]).ToString();
        long second = machine.Touched.Single(static touched => touched.Range.Node == 1).Range.Start - (long)memory.Pointer;
        Assert.That(second, Is.EqualTo(5 * HugePages.Size / 4));
        Assert.That(placement, Does.EndWith("; 8 of 16 pages asked about lie on other nodes"));
    }

    [Test]
    public void Less_than_a_page_lies_anywhere() =>
        Assert.That(NodeMemory.Divide(64, Page, [(0, Page)], Shares(1, 1), Page), Is.Empty);

    [Test]
    public void A_thread_that_is_bound_to_the_node_touches_its_pages()
    {
        using FakeMachine machine = FakeMachine.OfTwoNodes() with { PageNode = static page => (int)(page / Page % 2) };
        (int first, int second) = FakeMachine.TwoProcessors();
        ImmutableArray<NodeShare> nodes = NumaPlan.Of(
            new FfnEngineOptions { Threads = 2, NumaSystem = machine }, BackendKind.Managed).Nodes;
        using var memory = new NativeBuffer(64 * Page / sizeof(float), "A test");
        string placement = new NodeMemory(nodes, machine).Place(memory, [(0, 64 * Page)]).ToString();
        Assert.That(machine.Touched.Select(static touched => touched.On.Single()), Is.EqualTo(new[] { first, second }));
        Assert.That(machine.Touched.Select(static touched => touched.Range.Node), Is.EqualTo(new[] { 0, 1 }));
        Assert.That(machine.Touched.Sum(static touched => touched.Range.Bytes), Is.InRange(63 * Page, 64 * Page));

        // Every second page is said to be on the other node, and pages that are asked about are an even number apart.
        Assert.That(placement, Does.Match(
            $@"^\d+ bytes near processors {first}, \d+ bytes near processors {second}; \d+ of 16 pages asked about lie on other nodes$"));
    }

    [Test]
    public void What_the_allocator_had_before_is_new_and_empty()
    {
        using FakeMachine machine = FakeMachine.OfTwoNodes();
        ImmutableArray<NodeShare> nodes = NumaPlan.Of(
            new FfnEngineOptions { Threads = 2, NumaSystem = machine }, BackendKind.Managed).Nodes;
        using var memory = new NativeBuffer(1 << 20, "A test");
        new Span<float>(memory.Pointer, 1 << 20).Fill(1);
        _ = new NodeMemory(nodes, machine).Place(memory, [(0, memory.ByteLength)]);
        int kept = new Span<float>(memory.Pointer, 1 << 20).Count(1f);
        Assert.That(kept * sizeof(float), Is.LessThan(2 * machine.PageBytes), "at most what is no whole page");
    }

    [Test]
    public void This_system_says_where_pages_are()
    {
        using FakeMachine machine = FakeMachine.OfTwoNodes();
        using var memory = new NativeBuffer(64 * Page, "A test");
        var nodes = ImmutableArray.Create(
            new NodeShare(0, 1, 2) { Processors = [FakeMachine.TwoProcessors().First], SystemNodes = [0] },
            new NodeShare(1, 2, 2) { Processors = [FakeMachine.TwoProcessors().Second], SystemNodes = [int.MaxValue] });
        string placement = new NodeMemory(nodes, machine).Place(memory, [(0, memory.ByteLength)]).ToString();
        Assert.That(placement, Does.Contain(" of 16 pages asked about lie on other nodes").Or.Contain("is not known (get_mempolicy: "));
    }

    [Test]
    public void What_the_system_refuses_is_told()
    {
        var (first, second) = FakeMachine.TwoProcessors();
        ImmutableArray<NodeShare> nodes =
        [
            new NodeShare(0, 1, 2) { Processors = [first], SystemNodes = [0] },
            new NodeShare(1, 2, 2) { Processors = [second], SystemNodes = [1] },
        ];
        using var memory = new NativeBuffer(64 * Page, "A test");
        using (FakeMachine silent = FakeMachine.OfTwoNodes() with { PageError = 1 })
        {
            Assert.That(
                new NodeMemory(nodes, silent).Place(memory, [(0, memory.ByteLength)]).ToString(),
                Does.EndWith("; whether they lie there is not known (get_mempolicy: Operation not permitted)"));
        }

        using FakeMachine strict = FakeMachine.OfTwoNodes() with { BindError = 1 };
        Assert.That(
            new NodeMemory(nodes, strict).Place(memory, [(0, memory.ByteLength)]).ToString(),
            Does.EndWith("; some lie anywhere (sched_setaffinity: Operation not permitted)"));
    }

    private static ImmutableArray<NodeShare> Shares(params int[] threads)
    {
        int before = 0;
        return [.. threads.Select(count => new NodeShare(before, before += count, threads.Sum()))];
    }

    // What is a page from both ends of a node's part lies on that node.
    private static bool IsDivided(
        (long Offset, long Bytes) run, long start, ImmutableArray<NodeRange> ranges, ImmutableArray<NodeShare> nodes)
    {
        for (int node = 0; node < nodes.Length; node++)
        {
            long first = start + run.Offset + nodes[node].Start(run.Bytes);
            long end = start + run.Offset + nodes[node].End(run.Bytes);
            for (long at = first + Page; at < end - Page; at += Page)
            {
                if (ranges.Single(range => at >= range.Start && at < range.Start + range.Bytes).Node != node)
                {
                    return false;
                }
            }
        }

        return true;
    }
}
