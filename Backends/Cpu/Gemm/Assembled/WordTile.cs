using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace NativeFfn.Backends.Cpu.Gemm.Assembled;

/// <summary>Tiles of integers by <c>vpdpwssd</c>, two columns in a lane, to whose words shifts widen weights.</summary>
/// <param name="assembler">Takes the instructions.</param>
/// <param name="convention">Whose calling convention.</param>
/// <param name="form">What is multiplied.</param>
internal sealed class WordTile(Assembler assembler, TileConvention convention, TileForm form) : IntegerTile(assembler, convention, form)
{
    protected override int Lanes => LanesOfWords;

    protected override int Numbers => NumbersOfWords;

    protected override void LoadConstants()
    {
    }

    protected override void StartIntegers(TileShape shape, int part)
    {
        for (int token = 0; token < shape.Tokens; token++)
        {
            (AssemblerRegisterZMM first, AssemblerRegisterZMM second) = Integers(shape, token);
            Code.vpxord(first, first, first);
            Code.vpxord(second, second, second);
        }
    }

    protected override void Multiply(TileShape shape, int block, int at)
    {
        int lanes = Form.Weights == PanelWeights.Int8 ? 2 : 4;
        int bits = 16 / lanes;
        for (int lane = 0; lane < lanes; lane++)
        {
            // In turns, so that one lane is widened while the other is multiplied.
            int vector = FirstWeight + (lane % 2 * 2);
            Widen(Vector(vector), at, bits, lane);
            Widen(Vector(vector + 1), at + VectorBytes, bits, lane);
            Dot(shape, (lanes * block) + lane, Vector(vector), Vector(vector + 1));
        }
    }

    protected override void MultiplyAdd(AssemblerRegisterZMM sums, AssemblerRegisterZMM weights, AssemblerRegisterZMM token) =>
        Code.vpdpwssd(sums, weights, token);

    protected override void MultiplyAdd(AssemblerRegisterZMM sums, AssemblerRegisterZMM weights, AssemblerMemoryOperand token) =>
        Code.vpdpwssd(sums, weights, token);

    // Some bits of each word to all of it.
    private void Widen(AssemblerRegisterZMM vector, int at, int bits, int lane)
    {
        AssemblerMemoryOperand weights = __zmmword_ptr[Weights + at];
        int left = 16 - ((lane + 1) * bits);
        if (left == 0)
        {
            Code.vpsraw(vector, weights, (byte)(16 - bits));
            return;
        }

        Code.vpsllw(vector, weights, (byte)left);
        Code.vpsraw(vector, vector, (byte)(16 - bits));
    }
}
