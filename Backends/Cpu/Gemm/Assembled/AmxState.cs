using System.ComponentModel;
using System.Runtime.Intrinsics.X86;
using Iced.Intel;
using NativeFfn.Bindings.Memory;
using NativeFfn.Bindings.Processors;
using static Iced.Intel.AssemblerRegisters;

namespace NativeFfn.Backends.Cpu.Gemm.Assembled;

/// <summary>Whether the system keeps the registers of AMX for this process's threads, which .NET does not find out.</summary>
internal static unsafe class AmxState
{
    // CPUID leaf 1, ECX: the system has turned XGETBV on.
    private const int StateLeaf = 1;
    private const int StateBit = 27;

    // XCR0: the configuration and the contents of the registers.
    private const ulong Registers = (1UL << 17) | (1UL << 18);

    /// <summary>Whether the enabled states can be asked for: the instruction is none otherwise.</summary>
    public static bool IsTold => X86Base.IsSupported && ((X86Base.CpuId(StateLeaf, 0).Ecx >> StateBit) & 1) != 0;

    /// <summary>Why threads cannot use the registers, or null where they can; Linux lets a process use them once it asked.</summary>
    public static string? WhyNot() => WhyNot(IsTold, Enabled, OperatingSystem.IsLinux() ? ProcessorState.AskForTiles : static () => { });

    /// <summary>The same of a system.</summary>
    /// <param name="isTold">Whether the enabled states can be asked for.</param>
    /// <param name="enabled">Reads them.</param>
    /// <param name="ask">Asks for the registers.</param>
    public static string? WhyNot(bool isTold, Func<ulong> enabled, Action ask)
    {
        try
        {
            if (!isTold || (enabled() & Registers) != Registers)
            {
                return "the system does not keep the registers of AMX.";
            }

            ask();
            return null;
        }
        catch (Exception exception) when (exception is Win32Exception or PlatformNotSupportedException)
        {
            return $"the system refuses it: {exception.Message}.";
        }
    }

    /// <summary>The states that the system enabled, XCR0.</summary>
    public static ulong Enabled()
    {
        var assembler = new Assembler(64);
        assembler.xor(ecx, ecx);
        assembler.xgetbv();
        assembler.shl(rdx, 32);
        assembler.or(rax, rdx);
        assembler.ret();
        using ExecutableMemory code = ExecutableMemory.Of(MachineCode.Of(assembler));
        return ((delegate* unmanaged<ulong>)code.Start)();
    }
}
