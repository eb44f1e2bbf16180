using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace NativeFfn.Backends.Cpu.Gemm.Assembled;

/// <summary>Tiles of integers: <c>sums[token, row] (+)= Σ panel[row, column] · tokens[column, token]</c>, group after group of 32 columns.</summary>
/// <remarks>
/// Products of a group are added exactly. Its sum times both scales, and where weights have an offset that times the sum of the token's
/// elements, is added to the float32 sum in the order and with the roundings of the kernels in C#, so that bits are the same.
/// </remarks>
/// <param name="assembler">Takes the instructions.</param>
/// <param name="convention">Whose calling convention.</param>
/// <param name="form">What is multiplied.</param>
internal abstract class IntegerTile(Assembler assembler, TileConvention convention, TileForm form) : TileAssembler(assembler, convention)
{
    /// <summary>Lanes of a token of words in a group: two words each, or of upper bytes and then of lower ones.</summary>
    public const int LanesOfWords = GroupColumns / 2;

    /// <summary>Numbers of a token of words: beside scale and scale · Σ integers what bytes' accumulators start from, for both halves of the group.</summary>
    public const int NumbersOfWords = FirstStart + 2;

    /// <summary>Columns of a group.</summary>
    protected const int GroupColumns = 32;

    /// <summary>Where weights are while they are multiplied, in turns.</summary>
    protected const int FirstWeight = 24;

    /// <summary>Where tokens are, in turns.</summary>
    protected const int FirstToken = 28;

    /// <summary>Registers behind those of tokens, for constants.</summary>
    protected const int FirstConstant = 30;

    /// <summary>The first number that accumulators start from: behind the scale and scale · Σ integers.</summary>
    protected const int FirstStart = 2;

    private const int MostTokens = 6;

    // So few tokens leave registers for a group's scales and offsets.
    private const int FewTokens = 4;

    /// <summary>What is multiplied.</summary>
    protected TileForm Form => form;

    /// <summary>Lanes of a token in a group.</summary>
    protected abstract int Lanes { get; }

    /// <summary>Numbers of a token behind its lanes.</summary>
    protected abstract int Numbers { get; }

    private int HeadBytes => form.Head switch
    {
        PanelGroupHead.BFloat16Scales => VectorBytes,
        PanelGroupHead.Float32Scales or PanelGroupHead.Float32Halves => 2 * VectorBytes,
        _ => 4 * VectorBytes,
    };

    // 32-bit lanes of a group, a vector pair each: four columns of 8 bits, eight of 4.
    private int Blocks => form.Weights switch
    {
        PanelWeights.Lanes => Lanes,
        PanelWeights.Int8 => GroupColumns / 4,
        _ => GroupColumns / 8,
    };

    private int PartBytes => HeadBytes + (Blocks / form.Parts * 2 * VectorBytes);

    /// <summary>Tokens that are multiplied at a time: larger tiles are halves, as registers hold no more.</summary>
    public static int PieceOf(int tokens) => tokens > MostTokens ? (tokens + 1) / 2 : tokens;

    protected override void Start(TileShape shape)
    {
        LoadConstants();
        Label begin = Code.CreateLabel();
        for (int i = 0; i < 2 * shape.Tokens; i++)
        {
            Code.vpxord(Vector(i), Vector(i), Vector(i));
        }

        JumpUnlessAccumulating(begin);
        for (int i = 0; i < 2 * shape.Tokens; i++)
        {
            Code.vmovups(Vector(i), SumsOf(i / 2, i % 2));
        }

        Code.Label(ref begin);
    }

    protected override void Step(TileShape shape)
    {
        for (int part = 0; part < form.Parts; part++)
        {
            MultiplyPart(shape, part);
        }

        Code.add(Weights, form.Parts * PartBytes);
        Code.add(Tokens, (Lanes + Numbers) * shape.Stride * sizeof(float));
    }

    protected override void Finish(TileShape shape)
    {
        for (int i = 0; i < 2 * shape.Tokens; i++)
        {
            Code.vmovups(SumsOf(i / 2, i % 2), Vector(i));
        }
    }

    /// <summary>Puts constants where they stay.</summary>
    protected abstract void LoadConstants();

    /// <summary>What accumulators of a part start from.</summary>
    protected abstract void StartIntegers(TileShape shape, int part);

    /// <summary>Multiplies a block of weights, a lane or two of 32 bits, by all tokens.</summary>
    /// <param name="shape">The tile.</param>
    /// <param name="block">The block, counted over the group.</param>
    /// <param name="at">Where it is behind <see cref="TileAssembler.Weights"/>.</param>
    protected abstract void Multiply(TileShape shape, int block, int at);

    /// <summary>Adds the products of a lane to sums of integers, by the instruction of these tiles.</summary>
    protected abstract void MultiplyAdd(AssemblerRegisterZMM sums, AssemblerRegisterZMM weights, AssemblerRegisterZMM token);

    /// <summary>The same with a lane of a token in memory, for all lanes of the weights.</summary>
    protected abstract void MultiplyAdd(AssemblerRegisterZMM sums, AssemblerRegisterZMM weights, AssemblerMemoryOperand token);

    /// <summary>Multiplies a lane of both halves of the rows by all tokens.</summary>
    protected virtual void Dot(TileShape shape, int lane, AssemblerRegisterZMM a, AssemblerRegisterZMM b)
    {
        for (int token = 0; token < shape.Tokens; token++)
        {
            AssemblerRegisterZMM x = Vector(FirstToken + (token % 2));
            (AssemblerRegisterZMM first, AssemblerRegisterZMM second) = Integers(shape, token);
            BroadcastLane(x, shape, lane, token);
            MultiplyAdd(first, a, x);
            MultiplyAdd(second, b, x);
        }
    }

    /// <summary>Brings what was multiplied apart together.</summary>
    protected virtual void FinishIntegers(TileShape shape)
    {
    }

    /// <summary>The first of the accumulators of integers, two a token; float32 sums are before them.</summary>
    protected virtual int FirstInteger(TileShape shape) => 2 * MostTokens;

    /// <summary>Where a group's scales and offsets wait until they are used, so that memory is read from end to end; null where there is no room.</summary>
    protected virtual int? HeadRoom(TileShape shape) => shape.Tokens <= FewTokens ? FirstInteger(shape) + (2 * FewTokens) : null;

    /// <summary>The accumulators of a token.</summary>
    protected (AssemblerRegisterZMM First, AssemblerRegisterZMM Second) Integers(TileShape shape, int token) =>
        (Vector(FirstInteger(shape) + (2 * token)), Vector(FirstInteger(shape) + (2 * token) + 1));

    /// <summary>A token's lane, in all lanes of a vector.</summary>
    protected void BroadcastLane(AssemblerRegisterZMM vector, TileShape shape, int lane, int token) =>
        Code.vpbroadcastd(vector, __dword_ptr[Tokens + LaneAt(shape, lane, token)]);

    private static int LaneAt(TileShape shape, int lane, int token) => ((lane * shape.Stride) + token) * sizeof(float);

    /// <summary>Where a token's number is.</summary>
    protected int NumberAt(TileShape shape, int token, int number) => (((Lanes + number) * shape.Stride) + token) * sizeof(float);

    private void MultiplyPart(TileShape shape, int part)
    {
        int begin = part * PartBytes;
        int? room = HeadRoom(shape);
        if (room is { } early)
        {
            LoadHead(early, begin);
        }

        StartIntegers(shape, part);
        int blocks = Blocks / form.Parts;
        for (int block = 0; block < blocks; block++)
        {
            int at = begin + HeadBytes + (block * 2 * VectorBytes);
            if (form.Weights == PanelWeights.Lanes)
            {
                MultiplyLane(shape, (part * blocks) + block, at);
            }
            else
            {
                Multiply(shape, (part * blocks) + block, at);
            }
        }

        FinishIntegers(shape);
        if (room is null)
        {
            LoadHead(FirstWeight, begin);
        }

        Scale(shape, room ?? FirstWeight);
    }

    // In turns, so that one lane is read while the other is multiplied. Tokens come with the products: Intel's processors, which alone unpack lanes, have
    // room for a fiftieth more of them so.
    private void MultiplyLane(TileShape shape, int lane, int at)
    {
        AssemblerRegisterZMM a = Vector(FirstWeight + (lane % 2 * 2)), b = Vector(FirstWeight + (lane % 2 * 2) + 1);
        Code.vmovdqu32(a, __zmmword_ptr[Weights + at]);
        Code.vmovdqu32(b, __zmmword_ptr[Weights + (at + VectorBytes)]);
        for (int token = 0; token < shape.Tokens; token++)
        {
            (AssemblerRegisterZMM first, AssemblerRegisterZMM second) = Integers(shape, token);
            AssemblerMemoryOperand x = __dword_bcst[Tokens + LaneAt(shape, lane, token)];
            MultiplyAdd(first, a, x);
            MultiplyAdd(second, b, x);
        }
    }

    // Two vectors of scales, then two of offsets where there are any.
    private void LoadHead(int vector, int begin)
    {
        if (form.Head == PanelGroupHead.BFloat16Scales)
        {
            for (int half = 0; half < 2; half++)
            {
                Code.vpmovzxwd(Vector(vector + half), __ymmword_ptr[Weights + (begin + (half * VectorBytes / 2))]);
                Code.vpslld(Vector(vector + half), Vector(vector + half), 16);
            }

            return;
        }

        for (int at = 0; at < HeadBytes; at += VectorBytes)
        {
            Code.vmovups(Vector(vector + (at / VectorBytes)), __zmmword_ptr[Weights + (begin + at)]);
        }
    }

    private void Scale(TileShape shape, int head)
    {
        for (int token = 0; token < shape.Tokens; token++)
        {
            (AssemblerRegisterZMM first, AssemblerRegisterZMM second) = Integers(shape, token);
            AssemblerRegisterZMM x = Vector(FirstToken + (token % 2));
            Code.vbroadcastss(x, __dword_ptr[Tokens + NumberAt(shape, token, 0)]);
            Code.vcvtdq2ps(first, first);
            Code.vcvtdq2ps(second, second);
            Code.vmulps(first, first, x);
            Code.vmulps(second, second, x);
            Code.vfmadd231ps(Vector(2 * token), first, Vector(head));
            Code.vfmadd231ps(Vector((2 * token) + 1), second, Vector(head + 1));
            if (form.Head == PanelGroupHead.Float32Offsets)
            {
                AssemblerMemoryOperand elements = __dword_bcst[Tokens + NumberAt(shape, token, 1)];
                Code.vfmadd231ps(Vector(2 * token), Vector(head + 2), elements);
                Code.vfmadd231ps(Vector((2 * token) + 1), Vector(head + 3), elements);
            }
        }
    }
}
