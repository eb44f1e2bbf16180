using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace NativeFfn.Backends.Cpu.Gemm.Assembled;

/// <summary>Tiles of integers: <c>sums[token, row] (+)= Σ panel[row, column] · tokens[column, token]</c>, group after group of 32 columns.</summary>
/// <remarks>
/// Products of a group are added exactly. Its sum times both scales, and where weights have an offset that times the sum of the token's
/// elements, is added to the float32 sum in the order and with the roundings of the kernels in C#, so that bits are the same. Weights by bytes are made
/// unsigned, as the instruction wants one side: what that adds is taken off where a group's accumulators start.
/// </remarks>
/// <param name="assembler">Takes the instructions.</param>
/// <param name="convention">Whose calling convention.</param>
/// <param name="form">What is multiplied.</param>
internal sealed class IntegerTile(Assembler assembler, TileConvention convention, TileForm form) : TileAssembler(assembler, convention)
{
    private const int GroupColumns = 32;
    private const uint ByteSigns = 0x8080_8080;
    private const uint HalfByteSigns = 0x8888_8888;
    private const uint LowHalves = 0x0F0F_0F0F;

    // Registers: float32 sums, integer sums, weights in turns, tokens in turns, constants.
    private const int MostTokens = 6;
    private const int FirstInteger = 2 * MostTokens;
    private const int FirstWeight = 24;
    private const int FirstToken = 28;

    // So few tokens leave registers for a group's scales and offsets.
    private const int FewTokens = 4;
    private const int FirstSpare = FirstInteger + (2 * FewTokens);

    private bool IsBytes => form.Product == DotProduct.Bytes;

    private int HeadBytes => form.Head switch
    {
        PanelGroupHead.BFloat16Scales => VectorBytes,
        PanelGroupHead.Float32Scales or PanelGroupHead.Float32Halves => 2 * VectorBytes,
        _ => 4 * VectorBytes,
    };

    // 32-bit lanes of a group, a vector pair each: four columns of 8 bits, eight of 4.
    private int Blocks => form.Weights == PanelWeights.Int8 ? GroupColumns / 4 : GroupColumns / 8;

    // What has a head of its own.
    private int Parts => form.Parts;

    private int PartBytes => HeadBytes + (Blocks / Parts * 2 * VectorBytes);

    // Lanes of a token in a group: by bytes four columns each, by words two.
    private int Lanes => IsBytes ? GroupColumns / 4 : GroupColumns / 2;

    /// <summary>Tokens that are multiplied at a time: larger tiles are halves, as registers hold no more.</summary>
    public static int PieceOf(int tokens) => tokens > MostTokens ? (tokens + 1) / 2 : tokens;

    protected override void Start(TileShape shape)
    {
        if (IsBytes && form.Weights == PanelWeights.Int8)
        {
            Broadcast(zmm31, ByteSigns);
        }
        else if (IsBytes)
        {
            Broadcast(zmm31, LowHalves);
            Broadcast(zmm30, HalfByteSigns);
        }

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
        for (int part = 0; part < Parts; part++)
        {
            MultiplyPart(shape, part);
        }

        Code.add(Weights, Parts * PartBytes);
        Code.add(Tokens, (Lanes + 2 + (IsBytes ? Parts : 0)) * shape.Stride * sizeof(float));
    }

    protected override void Finish(TileShape shape)
    {
        for (int i = 0; i < 2 * shape.Tokens; i++)
        {
            Code.vmovups(SumsOf(i / 2, i % 2), Vector(i));
        }
    }

    private static (AssemblerRegisterZMM First, AssemblerRegisterZMM Second) Integers(int token) =>
        (Vector(FirstInteger + (2 * token)), Vector(FirstInteger + (2 * token) + 1));

    private void MultiplyPart(TileShape shape, int part)
    {
        int begin = part * PartBytes;

        // Memory is read from end to end where that is what takes time.
        if (shape.Tokens <= FewTokens)
        {
            LoadHead(FirstSpare, begin);
        }

        for (int token = 0; token < shape.Tokens; token++)
        {
            (AssemblerRegisterZMM first, AssemblerRegisterZMM second) = Integers(token);
            if (IsBytes)
            {
                Code.vpbroadcastd(first, __dword_ptr[Tokens + NumberAt(shape, token, 2 + part)]);
                Code.vmovdqa32(second, first);
            }
            else
            {
                Code.vpxord(first, first, first);
                Code.vpxord(second, second, second);
            }
        }

        int blocks = Blocks / Parts;
        for (int block = 0; block < blocks; block++)
        {
            Multiply(shape, (part * blocks) + block, begin + HeadBytes + (block * 2 * VectorBytes));
        }

        Scale(shape, begin);
    }

    // Behind the lanes: the scale, scale · Σ integers, and by bytes what accumulators of each part start from.
    private int NumberAt(TileShape shape, int token, int number) => (((Lanes + number) * shape.Stride) + token) * sizeof(float);

    private void Multiply(TileShape shape, int block, int at)
    {
        AssemblerMemoryOperand first = __zmmword_ptr[Weights + at];
        AssemblerMemoryOperand second = __zmmword_ptr[Weights + (at + VectorBytes)];
        AssemblerRegisterZMM a = Vector(FirstWeight), b = Vector(FirstWeight + 1), c = Vector(FirstWeight + 2), d = Vector(FirstWeight + 3);
        switch (form.Product, form.Weights)
        {
            case (DotProduct.Bytes, PanelWeights.Int8):
                // In turns, so that one block is read while the other is multiplied.
                (a, b) = block % 2 == 0 ? (a, b) : (c, d);
                Code.vpxord(a, zmm31, first);
                Code.vpxord(b, zmm31, second);
                Dot(shape, block, a, b);
                break;
            case (DotProduct.Bytes, _):
                Code.vpxord(a, zmm30, first);
                Code.vpxord(b, zmm30, second);
                Code.vpsrlw(c, a, 4);
                Code.vpsrlw(d, b, 4);
                Code.vpandd(a, a, zmm31);
                Code.vpandd(b, b, zmm31);
                Code.vpandd(c, c, zmm31);
                Code.vpandd(d, d, zmm31);
                Dot(shape, 2 * block, a, b);
                Dot(shape, (2 * block) + 1, c, d);
                break;
            case (_, PanelWeights.Int8):
                Words(shape, 2 * block, first, second, 8, 8, a, b);
                Words(shape, (2 * block) + 1, first, second, 0, 8, c, d);
                break;
            default:
                Words(shape, 4 * block, first, second, 12, 12, a, b);
                Words(shape, (4 * block) + 1, first, second, 8, 12, c, d);
                Words(shape, (4 * block) + 2, first, second, 4, 12, a, b);
                Words(shape, (4 * block) + 3, first, second, 0, 12, c, d);
                break;
        }
    }

    // Shifts widen a part of each word to all of it.
    private void Words(
        TileShape shape, int lane, AssemblerMemoryOperand first, AssemblerMemoryOperand second, byte left, byte right,
        AssemblerRegisterZMM a, AssemblerRegisterZMM b)
    {
        if (left == 0)
        {
            Code.vpsraw(a, first, right);
            Code.vpsraw(b, second, right);
        }
        else
        {
            Code.vpsllw(a, first, left);
            Code.vpsllw(b, second, left);
            Code.vpsraw(a, a, right);
            Code.vpsraw(b, b, right);
        }

        Dot(shape, lane, a, b);
    }

    private void Dot(TileShape shape, int lane, AssemblerRegisterZMM a, AssemblerRegisterZMM b)
    {
        for (int token = 0; token < shape.Tokens; token++)
        {
            AssemblerRegisterZMM x = Vector(FirstToken + (token % 2));
            (AssemblerRegisterZMM first, AssemblerRegisterZMM second) = Integers(token);
            Code.vpbroadcastd(x, __dword_ptr[Tokens + (((lane * shape.Stride) + token) * sizeof(float))]);
            if (IsBytes)
            {
                Code.vpdpbusd(first, a, x);
                Code.vpdpbusd(second, b, x);
            }
            else
            {
                Code.vpdpwssd(first, a, x);
                Code.vpdpwssd(second, b, x);
            }
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

    private void Scale(TileShape shape, int begin)
    {
        int head = shape.Tokens <= FewTokens ? FirstSpare : FirstWeight;
        if (head == FirstWeight)
        {
            LoadHead(head, begin);
        }

        for (int token = 0; token < shape.Tokens; token++)
        {
            (AssemblerRegisterZMM first, AssemblerRegisterZMM second) = Integers(token);
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
