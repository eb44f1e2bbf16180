using System.Collections.Immutable;
using System.ComponentModel;
using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Bindings.Memory;

namespace NativeFfn.Backends.Cpu.Numa;

/// <summary>Whole pages that are to lie on a node.</summary>
/// <param name="Start">The first.</param>
/// <param name="Bytes">Bytes.</param>
/// <param name="Node">The node, counted from 0 among those in use.</param>
internal readonly record struct NodeRange(long Start, long Bytes, int Node);

/// <summary>Puts the memory of weights where the threads are that read them.</summary>
/// <remarks>
/// A page lies where the thread runs that touches it first, so a thread that is bound to one node after the other touches them before
/// anything is read into them. No policy is set, which containers forbid and of which a process has a bounded number.
/// </remarks>
/// <param name="nodes">The nodes.</param>
/// <param name="system">The system.</param>
internal sealed unsafe class NodeMemory(ImmutableArray<NodeShare> nodes, NumaSystem system)
{
    // Pages of a range that are asked about: a node without room for more is noticed, and loading takes no longer for it.
    private const int PagesAsked = 8;

    /// <summary>Places memory that holds nothing yet.</summary>
    /// <param name="memory">The memory, to which the caller holds a reference.</param>
    /// <param name="runs">Runs of it by offset and length, ascending, each with a matrix's rows from the first to the last.</param>
    public NodePlacement Place(NativeBuffer memory, IEnumerable<(long Offset, long Bytes)> runs)
    {
        ImmutableArray<NodeRange> ranges = Divide((long)(nint)memory.Pointer, memory.ByteLength, runs, nodes, system.PageBytes);
        var placement = new NodePlacement(nodes);
        if (ranges.IsEmpty)
        {
            return placement;
        }

        try
        {
            NumaSystem.Apart(() =>
            {
                // A large page lies whole where it is first touched, so where nodes meet pages are small until they have been.
                ForLargePagesAt(ranges, memory, static page => HugePages.Forbid((void*)page, HugePages.Size));
                Touch(ranges, placement);
                ForLargePagesAt(ranges, memory, static page => HugePages.Advise((void*)page, HugePages.Size));
            });
        }
        catch (Win32Exception refused)
        {
            placement.Refused(refused.Message);
            return placement;
        }

        Ask(ranges, placement);
        return placement;
    }

    /// <summary>Divides memory by pages: what shares a page lies on the node of most of it.</summary>
    /// <param name="start">The memory's address.</param>
    /// <param name="bytes">Its length.</param>
    /// <param name="runs">Its runs.</param>
    /// <param name="nodes">The nodes.</param>
    /// <param name="pageBytes">Bytes of a page, a power of two.</param>
    /// <returns>Every page that is wholly the memory's own once, in ascending order.</returns>
    public static ImmutableArray<NodeRange> Divide(
        long start, long bytes, IEnumerable<(long Offset, long Bytes)> runs, ImmutableArray<NodeShare> nodes, int pageBytes)
    {
        var ranges = ImmutableArray.CreateBuilder<NodeRange>();
        long end = (start + bytes) & -pageBytes;
        long begun = (start + pageBytes - 1) & -pageBytes;
        int node = 0;
        foreach ((long offset, long length) in runs)
        {
            for (int next = 0; next < nodes.Length; next++)
            {
                long first = start + offset + nodes[next].Start(length);
                long page = Math.Clamp((first + (pageBytes / 2)) & -pageBytes, begun, Math.Max(begun, end));
                if (next != node && page > begun)
                {
                    ranges.Add(new NodeRange(begun, page - begun, node));
                    begun = page;
                }

                node = next;
            }
        }

        if (end > begun)
        {
            ranges.Add(new NodeRange(begun, end - begun, node));
        }

        return ranges.ToImmutable();
    }

    // The large pages of memory in which one range ends and another begins.
    private static void ForLargePagesAt(ImmutableArray<NodeRange> ranges, NativeBuffer memory, Action<nint> advise)
    {
        long end = (long)(nint)memory.Pointer + memory.ByteLength;
        foreach (NodeRange range in ranges.AsSpan()[1..])
        {
            long page = range.Start & -HugePages.Size;
            if (page != range.Start && page >= (long)(nint)memory.Pointer && page + HugePages.Size <= end)
            {
                advise((nint)page);
            }
        }
    }

    private void Touch(ImmutableArray<NodeRange> ranges, NodePlacement placement)
    {
        // What the allocator had before lies somewhere already.
        system.Renew((byte*)ranges[0].Start, ranges[^1].Start + ranges[^1].Bytes - ranges[0].Start);
        for (int node = 0; node < nodes.Length; node++)
        {
            system.Bind(nodes[node].Processors);
            foreach (NodeRange range in ranges)
            {
                if (range.Node == node)
                {
                    system.Touch((byte*)range.Start, range.Bytes, node);
                    placement.Add(node, range.Bytes);
                }
            }
        }
    }

    // A node that is full, or whose memory is forbidden, has the system put pages elsewhere without a word.
    private void Ask(ImmutableArray<NodeRange> ranges, NodePlacement placement)
    {
        try
        {
            foreach (NodeRange range in ranges)
            {
                ImmutableArray<int> known = nodes[range.Node].SystemNodes;
                long pages = range.Bytes / system.PageBytes;
                for (long i = 0; i < Math.Min(PagesAsked, pages) && !known.IsEmpty; i++)
                {
                    long page = i * pages / Math.Min(PagesAsked, pages);
                    placement.Found(known.Contains(system.NodeOf((byte*)range.Start + (page * system.PageBytes))));
                }
            }
        }
        catch (Exception refused) when (refused is Win32Exception or PlatformNotSupportedException)
        {
            placement.Unknown(refused.Message);
        }
    }
}
