using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace NativeFfn.Backends.Cpu.Gemm.Assembled;

/// <summary>The smallest tiles of 16-bit tokens, by <c>vpdpbusd</c>: their upper bytes by themselves and their lower ones.</summary>
/// <remarks>
/// 256 · Σ weight · upper + Σ weight · lower is the sum of words, in as many products. Weights are multiplied as bytes, which takes half of the instructions
/// that make words of them, and accumulators wait half as long for one another: tiles of a token take three quarters of the time. From 6 tokens on
/// registers do not hold twice as many accumulators.
/// </remarks>
/// <param name="assembler">Takes the instructions.</param>
/// <param name="convention">Whose calling convention.</param>
/// <param name="form">What is multiplied.</param>
internal sealed class SplitWordTile(Assembler assembler, TileConvention convention, TileForm form) : ByteTile(assembler, convention, form)
{
    /// <summary>Tokens of the largest tile.</summary>
    public const int MostTokens = 4;

    private const int BitsOfByte = 8;
    private const uint LowBytes = 0x00FF_00FF;

    // low ? first : second, of three operands the third.
    private const byte Select = 0xE4;

    // Starts are those of 8 bits, -128 · Σ integers; of 4 bits -8 times.
    private const byte BitsOfStart = 4;

    protected override int Lanes => LanesOfWords;

    protected override int Numbers => NumbersOfWords;

    private static AssemblerRegisterZMM LowByte => Vector(FirstConstant + 1);

    protected override void LoadConstants()
    {
        base.LoadConstants();
        if (Form.Weights == PanelWeights.Int8)
        {
            Broadcast(LowByte, LowBytes);
        }
    }

    protected override int FirstInteger(TileShape shape) => 2 * shape.Tokens;

    protected override int? HeadRoom(TileShape shape) => shape.Tokens < MostTokens ? 6 * shape.Tokens : null;

    protected override void StartIntegers(TileShape shape, int part)
    {
        for (int token = 0; token < shape.Tokens; token++)
        {
            (AssemblerRegisterZMM first, AssemblerRegisterZMM second) = Integers(shape, token);
            Code.vpxord(first, first, first);
            Code.vpxord(second, second, second);
            (first, second) = Lower(shape, token);
            Code.vpbroadcastd(first, __dword_ptr[Tokens + NumberAt(shape, token, FirstStart + part)]);
            if (Form.Parts == 1)
            {
                Code.vpaddd(first, first, __dword_bcst[Tokens + NumberAt(shape, token, FirstStart + 1)]);
            }

            if (Form.Weights == PanelWeights.Int4)
            {
                Code.vpsrad(first, first, BitsOfStart);
            }

            Code.vmovdqa32(second, first);
        }
    }

    protected override void Multiply(TileShape shape, int block, int at)
    {
        if (Form.Weights == PanelWeights.Int4)
        {
            base.Multiply(shape, block, at);
        }
        else if (block % 2 == 0)
        {
            // Both lanes of eight columns, as halves of bytes hold them.
            Reorder(Vector(FirstWeight), Vector(FirstWeight + 2), at);
            Reorder(Vector(FirstWeight + 1), Vector(FirstWeight + 3), at + VectorBytes);
            Dot(shape, block, Vector(FirstWeight), Vector(FirstWeight + 1));
            Dot(shape, block + 1, Vector(FirstWeight + 2), Vector(FirstWeight + 3));
        }
    }

    protected override void Dot(TileShape shape, int lane, AssemblerRegisterZMM a, AssemblerRegisterZMM b)
    {
        AssemblerRegisterZMM x = Vector(FirstToken), y = Vector(FirstToken + 1);
        for (int token = 0; token < shape.Tokens; token++)
        {
            (AssemblerRegisterZMM first, AssemblerRegisterZMM second) = Integers(shape, token);
            BroadcastLane(x, shape, lane, token);
            MultiplyAdd(first, a, x);
            MultiplyAdd(second, b, x);
            (first, second) = Lower(shape, token);
            BroadcastLane(y, shape, base.Lanes + lane, token);
            MultiplyAdd(first, a, y);
            MultiplyAdd(second, b, y);
        }
    }

    protected override void FinishIntegers(TileShape shape)
    {
        for (int token = 0; token < shape.Tokens; token++)
        {
            (AssemblerRegisterZMM first, AssemblerRegisterZMM second) = Integers(shape, token);
            (AssemblerRegisterZMM lowerFirst, AssemblerRegisterZMM lowerSecond) = Lower(shape, token);
            Code.vpslld(first, first, BitsOfByte);
            Code.vpslld(second, second, BitsOfByte);
            Code.vpaddd(first, first, lowerFirst);
            Code.vpaddd(second, second, lowerSecond);
        }
    }

    // The accumulators of a token's lower bytes, behind those of all upper ones.
    private (AssemblerRegisterZMM First, AssemblerRegisterZMM Second) Lower(TileShape shape, int token) => Integers(shape, shape.Tokens + token);

    // Columns 0, 2, 1, 3 and 4, 6, 5, 7 of two lanes to 0, 4, 1, 5 and 2, 6, 3, 7.
    private void Reorder(AssemblerRegisterZMM even, AssemblerRegisterZMM odd, int at)
    {
        AssemblerRegisterZMM next = Vector(FirstToken), shifted = Vector(FirstToken + 1);
        Code.vpxord(even, Signs, __zmmword_ptr[Weights + at]);
        Code.vpxord(next, Signs, __zmmword_ptr[Weights + (at + (2 * VectorBytes))]);
        Code.vpsrlw(odd, even, BitsOfByte);
        Code.vpsllw(shifted, next, BitsOfByte);
        Code.vpternlogd(even, shifted, LowByte, Select);
        Code.vpternlogd(odd, next, LowByte, Select);
    }
}
