using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace NativeFfn.Backends.Cpu.Gemm.Assembled;

/// <summary>Tiles of integers by <c>vpdpbusd</c>, four columns in a lane.</summary>
/// <remarks>
/// The instruction wants unsigned weights: what making them such adds is taken off where a group's accumulators start.
/// </remarks>
/// <param name="assembler">Takes the instructions.</param>
/// <param name="convention">Whose calling convention.</param>
/// <param name="form">What is multiplied.</param>
internal class ByteTile(Assembler assembler, TileConvention convention, TileForm form) : IntegerTile(assembler, convention, form)
{
    private const uint ByteSigns = 0x8080_8080;
    private const uint HalfByteSigns = 0x8888_8888;
    private const uint LowHalves = 0x0F0F_0F0F;

    /// <summary>Flips the sign of each weight.</summary>
    protected static AssemblerRegisterZMM Signs => Vector(FirstConstant);

    protected override int Lanes => GroupColumns / 4;

    protected override int Numbers => FirstStart + Form.Parts;

    private static AssemblerRegisterZMM Low => Vector(FirstConstant + 1);

    protected override void LoadConstants()
    {
        if (Form.Weights == PanelWeights.Int8)
        {
            Broadcast(Signs, ByteSigns);
        }
        else if (Form.Weights == PanelWeights.Int4)
        {
            Broadcast(Signs, HalfByteSigns);
            Broadcast(Low, LowHalves);
        }
    }

    protected override void StartIntegers(TileShape shape, int part)
    {
        for (int token = 0; token < shape.Tokens; token++)
        {
            (AssemblerRegisterZMM first, AssemblerRegisterZMM second) = Integers(shape, token);
            Code.vpbroadcastd(first, __dword_ptr[Tokens + NumberAt(shape, token, FirstStart + part)]);
            Code.vmovdqa32(second, first);
        }
    }

    protected override void Multiply(TileShape shape, int block, int at)
    {
        AssemblerMemoryOperand first = __zmmword_ptr[Weights + at];
        AssemblerMemoryOperand second = __zmmword_ptr[Weights + (at + VectorBytes)];
        AssemblerRegisterZMM a = Vector(FirstWeight), b = Vector(FirstWeight + 1), c = Vector(FirstWeight + 2), d = Vector(FirstWeight + 3);
        if (Form.Weights == PanelWeights.Int8)
        {
            // In turns, so that one block is read while the other is multiplied.
            (a, b) = block % 2 == 0 ? (a, b) : (c, d);
            Code.vpxord(a, Signs, first);
            Code.vpxord(b, Signs, second);
            Dot(shape, block, a, b);
            return;
        }

        Code.vpxord(a, Signs, first);
        Code.vpxord(b, Signs, second);
        Code.vpsrlw(c, a, 4);
        Code.vpsrlw(d, b, 4);
        Code.vpandd(a, a, Low);
        Code.vpandd(b, b, Low);
        Code.vpandd(c, c, Low);
        Code.vpandd(d, d, Low);
        Dot(shape, 2 * block, a, b);
        Dot(shape, (2 * block) + 1, c, d);
    }

    protected override void MultiplyAdd(AssemblerRegisterZMM sums, AssemblerRegisterZMM weights, AssemblerRegisterZMM token) =>
        Code.vpdpbusd(sums, weights, token);

    protected override void MultiplyAdd(AssemblerRegisterZMM sums, AssemblerRegisterZMM weights, AssemblerMemoryOperand token) =>
        Code.vpdpbusd(sums, weights, token);
}
