using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace NativeFfn.Backends.Cpu.Gemm.Assembled;

/// <summary>Tiles of bfloat16: <c>sums[token, row] (+)= Σ panel[row, column] · tokens[column, token]</c>, both sides in pairs of columns.</summary>
/// <remarks>
/// Every sum is one lane of one accumulator, to which pair after pair is added, in the same order in tiles of every size. The instruction
/// multiplies exactly, rounds sums to nearest even, and takes and gives numbers under float32's smallest normal one, 1.2e-38, as zeros.
/// </remarks>
internal sealed class BFloat16Tile(Assembler assembler, TileConvention convention) : TileAssembler(assembler, convention)
{
    /// <summary>Pairs of columns of a step.</summary>
    public const int PairsOfStep = 4;

    // Two of weights, six that take turns with tokens, 24 of sums: 12 tokens.
    private const int FirstToken = 2;
    private const int TokenVectors = 6;
    private const int FirstSum = 8;

    protected override void Start(TileShape shape)
    {
        for (int i = 0; i < 2 * shape.Tokens; i++)
        {
            Code.vpxord(Vector(FirstSum + i), Vector(FirstSum + i), Vector(FirstSum + i));
        }
    }

    protected override void Step(TileShape shape)
    {
        for (int pair = 0; pair < PairsOfStep; pair++)
        {
            int at = pair * 2 * VectorBytes;
            Code.vmovdqu32(zmm0, __zmmword_ptr[Weights + at]);
            Code.vmovdqu32(zmm1, __zmmword_ptr[Weights + (at + VectorBytes)]);
            for (int token = 0; token < shape.Tokens; token++)
            {
                AssemblerRegisterZMM x = Vector(FirstToken + (token % TokenVectors));
                Code.vpbroadcastd(x, __dword_ptr[Tokens + (((pair * shape.Stride) + token) * sizeof(float))]);
                Code.vdpbf16ps(Vector(FirstSum + (2 * token)), zmm0, x);
                Code.vdpbf16ps(Vector(FirstSum + (2 * token) + 1), zmm1, x);
            }
        }

        Code.add(Weights, PairsOfStep * 2 * VectorBytes);
        Code.add(Tokens, PairsOfStep * shape.Stride * sizeof(float));
    }

    protected override void Finish(TileShape shape)
    {
        Label store = Code.CreateLabel();
        JumpUnlessAccumulating(store);
        for (int i = 0; i < 2 * shape.Tokens; i++)
        {
            Code.vaddps(Vector(FirstSum + i), Vector(FirstSum + i), SumsOf(i / 2, i % 2));
        }

        Code.Label(ref store);
        for (int i = 0; i < 2 * shape.Tokens; i++)
        {
            Code.vmovups(SumsOf(i / 2, i % 2), Vector(FirstSum + i));
        }
    }
}
