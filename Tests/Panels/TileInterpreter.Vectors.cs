using System.Runtime.InteropServices;
using Iced.Intel;

namespace NativeFfn.Tests.Panels;

/// <content>Vectors of 512 bits.</content>
internal sealed unsafe partial class TileInterpreter
{
    private const int VectorCount = 32;
    private const int VectorBytes = 64;
    private const int VectorLanes = VectorBytes / sizeof(int);
    private const int LowerBytes = 16;

    // Vectors whose upper bytes are cleared together, and all that code without AVX-512 knows.
    private const int OldVectors = 16;

    // Every one of its own, so that a change shows.
    private readonly byte[][] _vectors = [.. Enumerable.Range(0, VectorCount).Select(static i => Enumerable.Repeat((byte)(i + 1), VectorBytes).ToArray())];

    // What the code may read: those that it wrote.
    private readonly bool[] _isSet = new bool[VectorCount];

    /// <summary>The lower 16 bytes of vectors 6 to 15, which Windows wants back.</summary>
    public IEnumerable<byte[]> KeptVectors => _vectors[6..OldVectors].Select(static vector => vector[..LowerBytes]);

    // Whether the instruction is one of these.
    private bool Vectors(in Instruction instruction)
    {
        if (instruction.OpMask != Register.None || instruction.ZeroingMasking || instruction.RoundingControl != RoundingControl.None)
        {
            return false;
        }

        switch (instruction.Mnemonic)
        {
            case Mnemonic.Vzeroupper:
                Array.ForEach(_vectors[..OldVectors], static vector => vector.AsSpan(LowerBytes).Clear());
                break;
            case Mnemonic.Vmovups when instruction.Op0Register.IsXMM() || instruction.Op1Register.IsXMM():
                MoveLower(instruction);
                break;
            case Mnemonic.Vmovups when instruction.Op0Kind == OpKind.Memory:
                Lanes(instruction, 1).CopyTo(MemoryMarshal.Cast<byte, int>(Memory(Address(instruction), VectorBytes, isWritten: true)));
                break;
            case Mnemonic.Vmovups:
                Set(instruction, static (x, _, _) => x, 1);
                break;
            case Mnemonic.Vpxord when instruction.Op1Register == instruction.Op2Register:
                Set(instruction, static (_, _, _) => 0);
                break;
            case Mnemonic.Vcvtdq2ps:
                Set(instruction, static (x, _, _) => Bits((float)x), 1);
                break;
            case Mnemonic.Vpslld when instruction.Op2Kind == OpKind.Immediate8:
                int left = instruction.Immediate8;
                Set(instruction, (x, _, _) => left < 32 ? x << left : 0, 1);
                break;
            case Mnemonic.Vpaddd:
                Set(instruction, static (x, y, _) => unchecked(x + y), 1, 2);
                break;
            case Mnemonic.Vmulps:
                Set(instruction, static (x, y, _) => Bits(Number(x) * Number(y)), 1, 2);
                break;
            case Mnemonic.Vfmadd231ps:
                Set(instruction, static (x, y, sum) => Bits(MathF.FusedMultiplyAdd(Number(x), Number(y), Number(sum))), 1, 2, 0);
                break;
            default:
                return false;
        }

        return true;

        static float Number(int bits) => BitConverter.Int32BitsToSingle(bits);
        static int Bits(float number) => BitConverter.SingleToInt32Bits(number);
    }

    // The lower bytes, kept and given back; a load clears the rest.
    private void MoveLower(in Instruction instruction)
    {
        if (instruction.Op0Kind == OpKind.Memory)
        {
            _vectors[instruction.Op1Register - Register.XMM0].AsSpan(0, LowerBytes).CopyTo(Memory(Address(instruction), LowerBytes, isWritten: true));
            return;
        }

        Span<byte> vector = _vectors[instruction.Op0Register - Register.XMM0];
        vector.Clear();
        Memory(Address(instruction), LowerBytes).CopyTo(vector);
    }

    // Every lane by itself, of up to three operands.
    private void Set(in Instruction instruction, Func<int, int, int, int> of, params ReadOnlySpan<int> operands)
    {
        int[][] lanes = [[], [], []];
        for (int i = 0; i < operands.Length; i++)
        {
            lanes[i] = Lanes(instruction, operands[i]);
        }

        int index = Vector(instruction.Op0Register);
        Span<int> vector = MemoryMarshal.Cast<byte, int>(_vectors[index].AsSpan());
        for (int lane = 0; lane < VectorLanes; lane++)
        {
            vector[lane] = of(At(lanes[0], lane), At(lanes[1], lane), At(lanes[2], lane));
        }

        _isSet[index] = true;

        static int At(int[] lanes, int lane) => lanes.Length == 0 ? 0 : lanes[lane];
    }

    private int[] Lanes(in Instruction instruction, int operand)
    {
        if (instruction.GetOpKind(operand) != OpKind.Memory)
        {
            int index = Vector(instruction.GetOpRegister(operand));
            return _isSet[index] ? MemoryMarshal.Cast<byte, int>(_vectors[index].AsSpan()).ToArray() : throw new InvalidOperationException($"{instruction} reads what nobody wrote.");
        }

        return instruction.IsBroadcast
            ? [.. Enumerable.Repeat(MemoryMarshal.Read<int>(Memory(Address(instruction), sizeof(int))), VectorLanes)]
            : MemoryMarshal.Cast<byte, int>(Memory(Address(instruction), VectorBytes)).ToArray();
    }

    private static int Vector(Register register) =>
        register.IsZMM() ? register - Register.ZMM0 : throw new NotSupportedException($"{register} is no vector of 512 bits.");
}
