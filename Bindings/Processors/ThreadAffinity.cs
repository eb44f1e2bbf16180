using System.Collections.Immutable;
using System.ComponentModel;
using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.Processors;

/// <summary>The processors that threads may run on; Linux alone. A mask has a bit a processor, the lowest bit of the first word for processor 0.</summary>
internal static unsafe partial class ThreadAffinity
{
    /// <summary>Words of a mask that no kernel finds too short.</summary>
    public const int MaskWords = MaxProcessors / BitsOfWord;

    private const int MaxProcessors = 8192;
    private const int BitsOfWord = 64;

    // sched.h: 0 is the calling thread.
    private const int ThisThread = 0;

    /// <summary>The calling thread, by the system's number.</summary>
    /// <exception cref="PlatformNotSupportedException">The number of the call is not known on this processor.</exception>
    public static int CurrentThread => (int)Native.Call(GetThreadId());

    /// <summary>The processor that the calling thread runs on just now; -1 where the system does not tell.</summary>
    public static int CurrentProcessor => Native.GetProcessor();

    /// <summary>The calling thread's processors in ascending order.</summary>
    /// <exception cref="Win32Exception">The system does not tell; the message says which call.</exception>
    public static ImmutableArray<int> Read()
    {
        Span<ulong> mask = stackalloc ulong[MaskWords];
        if (!TryRead(ThisThread, mask))
        {
            throw SystemCall.Refused("sched_getaffinity");
        }

        var processors = ImmutableArray.CreateBuilder<int>();
        for (int processor = 0; processor < MaxProcessors; processor++)
        {
            if ((mask[processor / BitsOfWord] & BitOf(processor)) != 0)
            {
                processors.Add(processor);
            }
        }

        return processors.ToImmutable();
    }

    /// <summary>Reads a thread's mask.</summary>
    /// <param name="thread">The thread, by the system's number.</param>
    /// <param name="mask">Receives <see cref="MaskWords"/>.</param>
    /// <returns>False where the system does not tell.</returns>
    public static bool TryRead(int thread, Span<ulong> mask)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(mask.Length, MaskWords, nameof(mask));
        mask.Clear();
        fixed (ulong* words = mask)
        {
            return Native.GetAffinity(thread, MaskWords * sizeof(ulong), words) == 0;
        }
    }

    /// <summary>Has the calling thread run on these processors alone.</summary>
    /// <param name="processors">Processors, at least one of which this process may use.</param>
    /// <exception cref="Win32Exception">The system refuses; the message says which call.</exception>
    public static void Bind(ImmutableArray<int> processors)
    {
        Span<ulong> mask = stackalloc ulong[MaskWords];
        mask.Clear();
        foreach (int processor in processors)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)processor, (uint)MaxProcessors, nameof(processors));
            mask[processor / BitsOfWord] |= BitOf(processor);
        }

        if (!TryBind(ThisThread, mask))
        {
            throw SystemCall.Refused("sched_setaffinity");
        }
    }

    /// <summary>Has a thread run on the processors of a mask alone.</summary>
    /// <param name="thread">The thread, by the system's number.</param>
    /// <param name="mask"><see cref="MaskWords"/>, with at least one processor that the process may use.</param>
    /// <returns>False where the system refuses.</returns>
    public static bool TryBind(int thread, ReadOnlySpan<ulong> mask)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(mask.Length, MaskWords, nameof(mask));
        fixed (ulong* words = mask)
        {
            return Native.SetAffinity(thread, MaskWords * sizeof(ulong), words) == 0;
        }
    }

    /// <summary>Takes a processor out of a mask.</summary>
    public static void Remove(Span<ulong> mask, int processor)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)processor, (uint)MaxProcessors, nameof(processor));
        mask[processor / BitsOfWord] &= ~BitOf(processor);
    }

    private static ulong BitOf(int processor) => 1UL << (processor % BitsOfWord);

    // C libraries before 2019 have no function for it. Numbers of asm/unistd.h.
    private static nint GetThreadId() => RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 186,
        Architecture.Arm64 or Architecture.RiscV64 or Architecture.LoongArch64 => 178,
        Architecture other => throw new PlatformNotSupportedException($"gettid has no number that is known on {other}."),
    };

    private static partial class Native
    {
        [LibraryImport(Libraries.C, EntryPoint = "sched_getaffinity", SetLastError = true)]
        public static partial int GetAffinity(int thread, nuint bytes, ulong* mask);

        [LibraryImport(Libraries.C, EntryPoint = "sched_setaffinity", SetLastError = true)]
        public static partial int SetAffinity(int thread, nuint bytes, ulong* mask);

        [LibraryImport(Libraries.C, EntryPoint = "sched_getcpu")]
        public static partial int GetProcessor();

        [LibraryImport(Libraries.C, EntryPoint = "syscall", SetLastError = true)]
        public static partial nint Call(nint number);
    }
}
