using Iced.Intel;

namespace NativeFfn.Backends.Cpu.Gemm.Assembled;

/// <summary>What an assembler was given, as the bytes that a processor runs.</summary>
internal static class MachineCode
{
    /// <summary>The bytes, which run wherever they lie.</summary>
    public static byte[] Of(Assembler assembler)
    {
        using var bytes = new MemoryStream();
        assembler.Assemble(new StreamCodeWriter(bytes), rip: 0);
        return bytes.ToArray();
    }
}
