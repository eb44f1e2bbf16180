using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace NativeFfn.Backends.Cpu.Gemm.Assembled;

/// <summary>Tiles of bfloat16 by AMX, whose registers hold matrices of up to 16 rows of 64 bytes: a step is a group of 32 columns.</summary>
/// <remarks>
/// A panel is the right operand as it lies: 16 pairs of columns are the rows of two registers, 16 panel rows each. Tokens are the left one, a token a
/// row. In a step an instruction adds the products of even columns from zero, those of odd ones too, and then both to the sum, in the same order
/// in tiles of every size. It multiplies exactly, rounds sums to nearest even, and takes and gives numbers under 1.2e-38 as zeros.
/// </remarks>
internal sealed class AmxTile(Assembler assembler, TileConvention convention) : TileAssembler(assembler, convention)
{
    // A register's rows, and their bytes: 16 pairs of bfloat16, or 16 sums. Half of a panel's 32 rows.
    private const int MostRows = MatrixRegisters.MostRows;
    private const int RowBytes = MatrixRegisters.MostBytes;

    /// <summary>Configures registers for a shape: sums of both halves, tokens, and both halves of a panel.</summary>
    public static byte[] Configuration(TileShape shape) => MatrixRegisters.Configuration(
        (shape.Tokens, RowBytes), (shape.Tokens, RowBytes), (shape.Tokens, RowBytes), (MostRows, RowBytes), (MostRows, RowBytes));

    protected override void Start(TileShape shape)
    {
        Label begin = Code.CreateLabel();
        Code.tilezero(tmm0);
        Code.tilezero(tmm1);
        JumpUnlessAccumulating(begin);
        Code.mov(ecx, RowBytes);
        Code.tileloadd(tmm0, __[Sums + (rcx * 2)]);
        Code.tileloadd(tmm1, __[Sums + (rcx * 2) + RowBytes]);
        Code.Label(ref begin);
    }

    // The index is the distance of rows: of tokens 64 bytes, of panels and sums twice that.
    protected override void Step(TileShape shape)
    {
        Code.mov(ecx, RowBytes);
        Code.tileloadd(tmm2, __[Tokens + rcx]);
        Code.tileloadd(tmm3, __[Weights + (rcx * 2)]);
        Code.tdpbf16ps(tmm0, tmm2, tmm3);
        Code.tileloadd(tmm4, __[Weights + (rcx * 2) + RowBytes]);
        Code.tdpbf16ps(tmm1, tmm2, tmm4);
        Code.add(Weights, MostRows * 2 * RowBytes);
        Code.add(Tokens, shape.Tokens * RowBytes);
    }

    protected override void Finish(TileShape shape)
    {
        Code.mov(ecx, RowBytes);
        Code.tilestored(__[Sums + (rcx * 2)], tmm0);
        Code.tilestored(__[Sums + (rcx * 2) + RowBytes], tmm1);
    }
}
