using System.Collections.Immutable;

namespace NativeFfn.Backends.Cpu.Numa;

/// <summary>A node's part of a team, and so of every matrix: as much as it has of the threads.</summary>
/// <param name="FirstThread">Threads of the nodes before it.</param>
/// <param name="EndThread">Those, and its own.</param>
/// <param name="AllThreads">Threads of all nodes.</param>
internal sealed record NodeShare(int FirstThread, int EndThread, int AllThreads)
{
    /// <summary>The processors that its threads are bound to; none where they are not.</summary>
    public ImmutableArray<int> Processors { get; init; } = [];

    /// <summary>The nodes of these processors by the system's numbers; none where it does not say.</summary>
    public ImmutableArray<int> SystemNodes { get; init; } = [];

    /// <summary>Its threads.</summary>
    public int Threads => EndThread - FirstThread;

    /// <summary>A team that is nowhere in particular.</summary>
    public static NodeShare Whole(int threads) => new(0, threads, threads);

    /// <summary>Where its part of a length begins, which is where the one before it ends.</summary>
    public long Start(long length) => Part(length, FirstThread);

    /// <summary>Where its part of a length ends.</summary>
    public long End(long length) => Part(length, EndThread);

    // The nearest; bytes of any memory times threads stay within 64 bits.
    private long Part(long length, int threads) => ((length * threads * 2) + AllThreads) / (2 * AllThreads);
}
