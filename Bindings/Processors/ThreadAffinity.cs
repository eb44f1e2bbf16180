using System.Collections.Immutable;
using System.ComponentModel;
using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.Processors;

/// <summary>The processors that the calling thread may run on; Linux alone.</summary>
internal static unsafe partial class ThreadAffinity
{
    // Bits of a mask that no kernel finds too short.
    private const int MaxProcessors = 8192;
    private const int BitsOfWord = 64;
    private const int Words = MaxProcessors / BitsOfWord;

    // sched.h: 0 is the calling thread.
    private const int ThisThread = 0;

    /// <summary>The processors in ascending order.</summary>
    /// <exception cref="Win32Exception">The system does not tell; the message says which call.</exception>
    public static ImmutableArray<int> Read()
    {
        ulong* mask = stackalloc ulong[Words];
        new Span<ulong>(mask, Words).Clear();
        if (Native.GetAffinity(ThisThread, Words * sizeof(ulong), mask) != 0)
        {
            throw SystemCall.Refused("sched_getaffinity");
        }

        var processors = ImmutableArray.CreateBuilder<int>();
        for (int processor = 0; processor < MaxProcessors; processor++)
        {
            if ((mask[processor / BitsOfWord] & (1UL << (processor % BitsOfWord))) != 0)
            {
                processors.Add(processor);
            }
        }

        return processors.ToImmutable();
    }

    /// <summary>Has the calling thread run on these processors alone.</summary>
    /// <param name="processors">Processors, at least one of which this process may use.</param>
    /// <exception cref="Win32Exception">The system refuses; the message says which call.</exception>
    public static void Bind(ImmutableArray<int> processors)
    {
        ulong* mask = stackalloc ulong[Words];
        new Span<ulong>(mask, Words).Clear();
        foreach (int processor in processors)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)processor, (uint)MaxProcessors, nameof(processors));
            mask[processor / BitsOfWord] |= 1UL << (processor % BitsOfWord);
        }

        if (Native.SetAffinity(ThisThread, Words * sizeof(ulong), mask) != 0)
        {
            throw SystemCall.Refused("sched_setaffinity");
        }
    }

    private static partial class Native
    {
        [LibraryImport(Libraries.C, EntryPoint = "sched_getaffinity", SetLastError = true)]
        public static partial int GetAffinity(int thread, nuint bytes, ulong* mask);

        [LibraryImport(Libraries.C, EntryPoint = "sched_setaffinity", SetLastError = true)]
        public static partial int SetAffinity(int thread, nuint bytes, ulong* mask);
    }
}
