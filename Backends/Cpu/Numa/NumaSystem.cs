using System.Collections.Immutable;
using System.ComponentModel;
using System.Runtime.ExceptionServices;
using NativeFfn.Bindings.Memory;
using NativeFfn.Bindings.Processors;

namespace NativeFfn.Backends.Cpu.Numa;

/// <summary>What the system says of nodes, threads and pages, and does to them. Tests put a machine of their own in its place.</summary>
internal unsafe record NumaSystem : NumaSource
{
    /// <summary>This system.</summary>
    public static NumaSystem Real { get; } = new();

    /// <summary>Does something on a thread that ends with it, so that the caller's is bound to nothing.</summary>
    /// <exception cref="Win32Exception">The system allows no more threads, or what it refuses in between.</exception>
    public static void Apart(Action action)
    {
        const int tryAgain = 11;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                action();
            }
            catch (Exception exception)
            {
                failure = ExceptionDispatchInfo.Capture(exception);
            }
        })
        { IsBackground = true, Name = "NativeFfn nodes" };
        try
        {
            thread.Start();
        }
        catch (Exception refused) when (refused is OutOfMemoryException or ThreadStartException)
        {
            throw new Win32Exception(tryAgain, "the system allows this process or its user no more threads");
        }

        thread.Join();
        failure?.Throw();
    }

    /// <summary>Whether there are functions for it.</summary>
    public virtual bool IsKnown => OperatingSystem.IsLinux();

    /// <summary>The folder with a folder for each node.</summary>
    public virtual string Nodes => "/sys/devices/system/node";

    /// <summary>The file with the nodes whose memory this process may use.</summary>
    public virtual string Status => "/proc/self/status";

    /// <summary>The file that says whether the kernel moves pages by itself.</summary>
    public virtual string Balancing => "/proc/sys/kernel/numa_balancing";

    /// <summary>Bytes of a page.</summary>
    public virtual int PageBytes => Environment.SystemPageSize;

    /// <summary>The processors that the calling thread may run on.</summary>
    /// <exception cref="Win32Exception">The system does not tell.</exception>
    public virtual ImmutableArray<int> ReadProcessors() => ThreadAffinity.Read();

    /// <summary>Has the calling thread run on some processors alone.</summary>
    /// <exception cref="Win32Exception">The system refuses.</exception>
    public virtual void Bind(ImmutableArray<int> processors) => ThreadAffinity.Bind(processors);

    /// <summary>Makes pages new ones, which lie where they are first touched.</summary>
    /// <exception cref="Win32Exception">The system refuses.</exception>
    public virtual void Renew(byte* start, long bytes) => NodePages.Renew(start, (nuint)bytes);

    /// <summary>Touches pages, which are then on the node of the calling thread.</summary>
    /// <param name="start">The first page.</param>
    /// <param name="bytes">Bytes.</param>
    /// <param name="node">The node that they are meant for, counted from 0 among those in use.</param>
    public virtual void Touch(byte* start, long bytes, int node)
    {
        for (long offset = 0; offset < bytes; offset += PageBytes)
        {
            start[offset] = 0;
        }
    }

    /// <summary>The node that a page is on, by the system's number.</summary>
    /// <exception cref="Win32Exception">The system does not tell.</exception>
    /// <exception cref="PlatformNotSupportedException">How to ask is not known.</exception>
    public virtual int NodeOf(byte* page) => NodePages.NodeOf(page);
}
