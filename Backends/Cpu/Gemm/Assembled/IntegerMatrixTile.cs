using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace NativeFfn.Backends.Cpu.Gemm.Assembled;

/// <summary>Tiles of integers by AMX: <c>sums[token, row] (+)= Σ panel[row, column] · tokens[column, token]</c>, group after group of 32 columns.</summary>
/// <remarks>
/// A panel of 8-bit integers is the right operand as it lies, four columns in a lane; one of 4 bits is made such before. Tokens are the left
/// operand, a token a row. Those of 16 bits are two, signed upper bytes and unsigned lower ones: 256 · upper + lower is their exact sum, under 2^27.
/// From there on all is as in <see cref="IntegerTile"/>, with the same bits.
/// <para>
/// Sums of integers reach vectors through memory, and take a hundred cycles and more from loading operands to there, whereas scaling a group of 12
/// tokens takes 36: two vectors each by three instructions, two a cycle, and as long as all the products of a group by bytes. So while a half of a
/// panel's rows is scaled from memory, the sums of its next group wait in registers, and no sooner are they in its place than the group after is multiplied.
/// </para>
/// </remarks>
/// <param name="assembler">Takes the instructions.</param>
/// <param name="convention">Whose calling convention.</param>
/// <param name="form">What is multiplied.</param>
internal sealed class IntegerMatrixTile(Assembler assembler, TileConvention convention, TileForm form) : TileAssembler(assembler, convention)
{
    /// <summary>Tokens of the smallest tile: with fewer the vectors' instructions are as fast, where they do not wait for memory anyway.</summary>
    public const int FewestTokens = 4;

    private const int GroupColumns = 32;
    private const int Halves = 2;

    // Bytes from one lane of a panel to the next, and from one token's sums to the next's: of both halves of the rows.
    private const int RowsBytes = Halves * VectorBytes;

    // Float32 sums take up to 24 vectors.
    private const int ScaleVector = 24;
    private const int OffsetVector = 25;
    private const int FirstIntegers = 26;
    private const int IntegerVectors = 6;

    private static readonly AssemblerRegister64 Scratch = Sums;

    // Bytes of a token's integers that are multiplied by themselves.
    private readonly int _planes = PlanesOf(form);
    private readonly int _parts = form.Parts;

    private int PartColumns => GroupColumns / _parts;

    private int HeadBytes => form.Head == PanelGroupHead.Float32Offsets ? 2 * RowsBytes : RowsBytes;

    private int PartBytes => HeadBytes + (PartColumns / sizeof(int) * RowsBytes);

    private int TokenBytes => _planes * GroupColumns;

    // Behind the integers: the scale, scale · Σ integers, and what the smaller tiles, by vectors, start from.
    private int GroupBytes(TileShape shape) => shape.Tokens * (TokenBytes + ((_planes == 1 ? 2 + _parts : IntegerTile.NumbersOfWords) * sizeof(float)));

    /// <summary>Configures registers for a shape: sums of each byte and half, tokens of each byte, and both halves of a panel.</summary>
    public static byte[] Configuration(TileForm form, TileShape shape)
    {
        int columns = GroupColumns / form.Parts;
        var registers = new List<(int Rows, int Bytes)>();
        registers.AddRange(Enumerable.Repeat((shape.Tokens, VectorBytes), PlanesOf(form) * Halves));
        registers.AddRange(Enumerable.Repeat((shape.Tokens, columns), PlanesOf(form)));
        registers.AddRange(Enumerable.Repeat((columns / sizeof(int), VectorBytes), Halves));
        return MatrixRegisters.Configuration([.. registers]);
    }

    /// <summary>Bytes of sums of integers that a tile of so many tokens keeps in memory.</summary>
    public static int ScratchBytes(TileForm form, int tokens) => PlanesOf(form) * tokens * RowsBytes;

    protected override void Start(TileShape shape)
    {
        Label begin = Code.CreateLabel(), multiplied = Code.CreateLabel();
        for (int i = 0; i < Halves * shape.Tokens; i++)
        {
            Code.vpxord(Vector(i), Vector(i), Vector(i));
        }

        JumpUnlessAccumulating(begin);
        for (int i = 0; i < Halves * shape.Tokens; i++)
        {
            Code.vmovups(Vector(i), SumsOf(i / Halves, i % Halves));
        }

        Code.Label(ref begin);
        LoadScratch(Scratch);
        LoadSteps();
        Code.mov(ecx, TokenBytes);
        MultiplyBoth(shape, 0);
        Store(shape, 0);
        Store(shape, 1);
        JumpUnlessThereAre(1 / _parts, multiplied);
        MultiplyBoth(shape, 1);
        Code.Label(ref multiplied);
    }

    protected override void Step(TileShape shape)
    {
        Code.mov(ecx, TokenBytes);
        for (int part = 0; part < _parts; part++)
        {
            for (int half = 0; half < Halves; half++)
            {
                Label end = Code.CreateLabel();
                Scale(shape, part, half);
                JumpUnlessThereAre((part + 1) / _parts, end);
                Store(shape, half);
                JumpUnlessThereAre((part + 2) / _parts, end);
                Multiply(shape, part + 2, half);
                Code.Label(ref end);
            }
        }

        Code.add(Weights, _parts * PartBytes);
        Code.add(Tokens, GroupBytes(shape));
    }

    protected override void Finish(TileShape shape)
    {
        LoadSums();
        for (int i = 0; i < Halves * shape.Tokens; i++)
        {
            Code.vmovups(SumsOf(i / Halves, i % Halves), Vector(i));
        }
    }

    private static int PlanesOf(TileForm form) => form.Product switch
    {
        DotProduct.ByteMatrices => 1,
        DotProduct.WordMatrices => 2,
        _ => 0,
    };

    // Where a token's sums of a byte and a half are kept.
    private static int IntegersAt(TileShape shape, int plane, int token, int half) =>
        (((plane * shape.Tokens) + token) * RowsBytes) + (half * VectorBytes);

    private static AssemblerRegisterTMM SumsRegister(int plane, int half) => MatrixRegisters.Register((plane * Halves) + half);

    private AssemblerRegisterTMM TokensRegister(int plane) => MatrixRegisters.Register((_planes * Halves) + plane);

    private AssemblerRegisterTMM WeightsRegister(int half) => MatrixRegisters.Register((_planes * (Halves + 1)) + half);

    // The index of an address is the distance of rows, with a token's bytes in the register.
    private AssemblerMemoryOperand RowsAt(AssemblerRegister64 start, int at) => __[start + (rcx * (RowsBytes / TokenBytes)) + at];

    // So many groups after the one that is scaled.
    private void JumpUnlessThereAre(int groups, Label target)
    {
        for (int left = 1; left <= groups; left++)
        {
            Code.cmp(Steps, left);
            Code.je(target);
        }
    }

    private void MultiplyBoth(TileShape shape, int index)
    {
        Multiply(shape, index, 0);
        Multiply(shape, index, 1);
    }

    // Parts are counted on from the group that is scaled.
    private void Multiply(TileShape shape, int index, int half)
    {
        (int group, int part) = Math.DivRem(index, _parts);
        for (int plane = 0; half == 0 && plane < _planes; plane++)
        {
            Code.tileloadd(TokensRegister(plane), __[Tokens + rcx + ((group * GroupBytes(shape)) + (plane * GroupColumns) + (part * PartColumns))]);
        }

        Code.tileloadd(WeightsRegister(half), RowsAt(Weights, (index * PartBytes) + HeadBytes + (half * VectorBytes)));
        for (int plane = 0; plane < _planes; plane++)
        {
            AssemblerRegisterTMM sums = SumsRegister(plane, half);
            Code.tilezero(sums);
            if (plane == 0)
            {
                Code.tdpbssd(sums, TokensRegister(plane), WeightsRegister(half));
            }
            else
            {
                Code.tdpbusd(sums, TokensRegister(plane), WeightsRegister(half));
            }
        }
    }

    private void Store(TileShape shape, int half)
    {
        for (int plane = 0; plane < _planes; plane++)
        {
            Code.tilestored(RowsAt(Scratch, IntegersAt(shape, plane, token: 0, half)), SumsRegister(plane, half));
        }
    }

    private int NumberAt(TileShape shape, int token, int number) => (shape.Tokens * TokenBytes) + (((number * shape.Tokens) + token) * sizeof(float));

    private void Scale(TileShape shape, int part, int half)
    {
        int head = (part * PartBytes) + (half * VectorBytes);
        bool hasOffsets = form.Head == PanelGroupHead.Float32Offsets;
        Code.vmovups(Vector(ScaleVector), __zmmword_ptr[Weights + head]);
        if (hasOffsets)
        {
            Code.vmovups(Vector(OffsetVector), __zmmword_ptr[Weights + (head + RowsBytes)]);
        }

        for (int token = 0; token < shape.Tokens; token++)
        {
            AssemblerRegisterZMM sum = Vector((Halves * token) + half), integers = Vector(FirstIntegers + (token % IntegerVectors));
            AssemblerMemoryOperand upper = __zmmword_ptr[Scratch + IntegersAt(shape, 0, token, half)];
            if (_planes == 1)
            {
                Code.vcvtdq2ps(integers, upper);
            }
            else
            {
                Code.vpslld(integers, upper, 8);
                Code.vpaddd(integers, integers, __zmmword_ptr[Scratch + IntegersAt(shape, 1, token, half)]);
                Code.vcvtdq2ps(integers, integers);
            }

            Code.vmulps(integers, integers, __dword_bcst[Tokens + NumberAt(shape, token, 0)]);
            Code.vfmadd231ps(sum, integers, Vector(ScaleVector));
            if (hasOffsets)
            {
                Code.vfmadd231ps(sum, Vector(OffsetVector), __dword_bcst[Tokens + NumberAt(shape, token, 1)]);
            }
        }
    }
}
