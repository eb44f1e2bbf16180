using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace NativeFfn.Backends.Cpu.Gemm.Assembled;

/// <summary>The registers of AMX, which hold matrices: code that gives them shapes, and code that gives them back.</summary>
/// <remarks>A configuration is costly, so that tiles of one shape share it. What is not given back, a system keeps for the thread.</remarks>
internal static class MatrixRegisters
{
    /// <summary>Rows of a register at most.</summary>
    public const int MostRows = 16;

    /// <summary>Bytes of a register's row at most.</summary>
    public const int MostBytes = 64;

    /// <summary>Bytes of a configuration.</summary>
    public const int ConfigurationBytes = 64;

    // Where a configuration has the bytes and the number of a register's rows.
    private const int RowBytesAt = 16;
    private const int RowsAt = 48;
    private const byte Palette = 1;

    /// <summary>A configuration of the first registers.</summary>
    /// <param name="registers">Rows and bytes of a row of each.</param>
    public static byte[] Configuration(params ReadOnlySpan<(int Rows, int Bytes)> registers)
    {
        byte[] configuration = new byte[ConfigurationBytes];
        configuration[0] = Palette;
        for (int i = 0; i < registers.Length; i++)
        {
            configuration[RowBytesAt + (i * sizeof(ushort))] = checked((byte)registers[i].Bytes);
            configuration[RowsAt + i] = checked((byte)registers[i].Rows);
        }

        return configuration;
    }

    /// <summary>A function without arguments that configures, its configuration behind it.</summary>
    public static byte[] CodeOf(byte[] configuration)
    {
        var code = new Assembler(64);
        Label data = code.CreateLabel();
        code.ldtilecfg(__[data]);
        code.ret();
        code.Label(ref data);
        code.db(configuration);
        return MachineCode.Of(code);
    }

    /// <summary>A function without arguments that gives the registers back.</summary>
    public static byte[] CodeOfRelease()
    {
        var code = new Assembler(64);
        code.tilerelease();
        code.ret();
        return MachineCode.Of(code);
    }

    /// <summary>A register.</summary>
    public static AssemblerRegisterTMM Register(int index) => new(Iced.Intel.Register.TMM0 + index);
}
