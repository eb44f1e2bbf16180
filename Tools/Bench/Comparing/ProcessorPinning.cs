using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;

namespace NativeFfn.Bench.Comparing;

/// <summary>
/// Keeps the threads of all subjects on the same few processors, each subject's one on each: left alone, two threads of a library sometimes
/// share one for as long as they live.
/// </summary>
/// <remarks>
/// A subject's threads are those that begin while it is opened or started; the caller is its first one. Threads of the runtime, whose names
/// begin with <c>.NET</c>, are left alone. Linux only.
/// </remarks>
internal sealed unsafe partial class ProcessorPinning : IDisposable
{
    private const string LinuxThreads = "/proc/self/task";
    private const string RuntimeThread = ".NET";

    // Bits of a mask; more processors than Linux's own cpu_set_t has are not looked at.
    private const int MaskWords = 16;
    private const int WordBits = 64;

    // In calls, the thread that calls.
    private const int Self = 0;

    // Threads of libraries, and which of their subject's each is; they outlive the measurement of a shape.
    private static readonly Dictionary<int, int> Places = [];

    private readonly ulong[] _everywhere = new ulong[MaskWords];

    /// <summary>Chooses processors, of as many cores as possible, and keeps the threads of an earlier shape on them again.</summary>
    /// <param name="threads">Threads of a subject; 0 keeps none.</param>
    public ProcessorPinning(int threads)
    {
        if (!OperatingSystem.IsLinux() || GetAffinity(Self, _everywhere) < 0)
        {
            return;
        }

        int[] allowed = [.. Enumerable.Range(0, MaskWords * WordBits).Where(IsAllowed)];
        IEnumerable<int> chosen = allowed.DistinctBy(CoreOf).Concat(allowed).Distinct();
        Processors = threads <= allowed.Length ? [.. chosen.Take(threads)] : [];
        if (!Processors.IsEmpty)
        {
            foreach ((int thread, int place) in Places)
            {
                Keep(thread, Processors[place % Processors.Length]);
            }
        }
    }

    /// <summary>The processors; empty where there are fewer than threads, or where threads cannot be kept.</summary>
    public ImmutableArray<int> Processors { get; } = [];

    /// <summary>Does something and keeps the threads that begin meanwhile, from the second processor on: one is the caller's.</summary>
    public T Watch<T>(Func<T> action)
    {
        if (Processors.IsEmpty)
        {
            return action();
        }

        HashSet<int> before = [.. Threads()];
        T result = action();
        int place = 1;
        foreach (int thread in Threads().Where(thread => !before.Contains(thread)).Order())
        {
            if (IsOfRuntime(thread))
            {
                SetAffinity(thread, _everywhere);
            }
            else
            {
                Places[thread] = place;
                Keep(thread, Processors[place++ % Processors.Length]);
            }
        }

        return result;
    }

    /// <summary>Keeps the calling thread on the first processor until what is returned is disposed.</summary>
    public IDisposable KeepCaller()
    {
        if (!Processors.IsEmpty)
        {
            Keep(Self, Processors[0]);
        }

        return new Release(this);
    }

    /// <summary>Lets all threads go where they like again.</summary>
    public void Dispose()
    {
        if (!Processors.IsEmpty)
        {
            foreach (int thread in Places.Keys)
            {
                SetAffinity(thread, _everywhere);
            }
        }
    }

    private bool IsAllowed(int processor) => (_everywhere[processor / WordBits] >> (processor % WordBits) & 1) != 0;

    private static string CoreOf(int processor)
    {
        string file = string.Create(CultureInfo.InvariantCulture, $"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list");
        return File.Exists(file) ? File.ReadAllText(file) : file;
    }

    private static IEnumerable<int> Threads() => Directory.EnumerateDirectories(LinuxThreads)
        .Select(static folder => int.Parse(Path.GetFileName(folder), CultureInfo.InvariantCulture));

    private static bool IsOfRuntime(int thread)
    {
        try
        {
            return File.ReadAllText($"{LinuxThreads}/{thread}/comm").StartsWith(RuntimeThread, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            // It has ended since the folder was listed.
            return true;
        }
    }

    private static void Keep(int thread, int processor)
    {
        var mask = new ulong[MaskWords];
        mask[processor / WordBits] = 1UL << (processor % WordBits);
        SetAffinity(thread, mask);
    }

    private static int GetAffinity(int thread, ulong[] mask)
    {
        fixed (ulong* words = mask)
        {
            return GetAffinity(thread, MaskWords * sizeof(ulong), words);
        }
    }

    // A thread that has ended is refused, which is as good.
    private static void SetAffinity(int thread, ulong[] mask)
    {
        fixed (ulong* words = mask)
        {
            _ = SetAffinity(thread, MaskWords * sizeof(ulong), words);
        }
    }

    [LibraryImport("libc", EntryPoint = "sched_getaffinity")]
    private static partial int GetAffinity(int thread, nuint bytes, ulong* mask);

    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SetAffinity(int thread, nuint bytes, ulong* mask);

    private sealed class Release(ProcessorPinning pinning) : IDisposable
    {
        public void Dispose()
        {
            if (!pinning.Processors.IsEmpty)
            {
                SetAffinity(Self, pinning._everywhere);
            }
        }
    }
}
