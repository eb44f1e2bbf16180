using System.Collections.Frozen;
using System.Runtime.InteropServices;
using Iced.Intel;
using NativeFfn.Backends.Cpu.Gemm.Assembled;
using NUnit.Framework;

namespace NativeFfn.Tests.Panels;

/// <summary>Interprets the machine code of tiles by AMX, and their vectors, as Intel's manual defines it, where no processor has AMX.</summary>
/// <remarks>It knows the instructions that the generator emits and throws at any other, and at every byte that is read or written outside of what it was given.</remarks>
internal sealed unsafe partial class TileInterpreter
{
    private const int LineBytes = 64;

    // No loop of a test is as long.
    private const int MostInstructions = 1_000_000;

    // What registers hold that nobody has written.
    private const ulong Unset = 0xDEAD_BEEF_DEAD_BEEF;

    private static readonly Register[] Kept = [Register.RBX, Register.RBP, Register.RSP, Register.R12, Register.R13, Register.R14, Register.R15];

    private readonly List<(ulong Start, ulong End, bool IsWritable)> _memory = [];
    private readonly Dictionary<Register, ulong> _registers = [];
    private bool _isZero;

    /// <summary>Addresses that memory was asked for, in this order.</summary>
    public List<ulong> Asked { get; } = [];

    /// <summary>Whether code may touch all memory, so that what is not there stops the process.</summary>
    public bool AllowsAll { get; init; }

    /// <summary>What a register holds.</summary>
    public ulong this[Register register]
    {
        get => _registers.GetValueOrDefault(register.GetFullRegister(), Unset);

        // The upper half of a register is cleared by writing its lower one.
        private set => _registers[register.GetFullRegister()] = register.IsGPR32() ? (uint)value : value;
    }

    /// <summary>Lets code touch some memory.</summary>
    public void Allow(void* start, long bytes, bool isWritable) => _memory.Add(((ulong)start, (ulong)start + (ulong)bytes, isWritable));

    /// <summary>Runs a function to its end.</summary>
    /// <param name="bytes">Its code.</param>
    /// <param name="argument">The register of its argument.</param>
    /// <param name="value">The argument.</param>
    public void Run(ReadOnlySpan<byte> bytes, Register argument, void* value)
    {
        byte* code = (byte*)NativeMemory.AlignedAlloc((nuint)bytes.Length, LineBytes);
        int memory = _memory.Count;
        try
        {
            bytes.CopyTo(new Span<byte>(code, bytes.Length));
            Allow(code, bytes.Length, isWritable: false);
            this[argument] = (ulong)value;
            Run(Decode(bytes, (ulong)code), (ulong)code);
        }
        finally
        {
            _memory.RemoveRange(memory, _memory.Count - memory);
            NativeMemory.AlignedFree(code);
        }
    }

    /// <summary>Runs a tile by AMX between what configures registers for it and what gives those back, and holds it to a calling convention.</summary>
    public void RunTile(TileForm form, int size, TileConvention convention, TileArguments* arguments)
    {
        bool ofWindows = convention == TileConvention.Windows;
        Register[] kept = ofWindows ? [.. Kept, Register.RSI, Register.RDI] : Kept;
        ulong[] registers = [.. kept.Select(register => this[register])];
        byte[][] vectors = [.. KeptVectors];
        var shape = new TileShape(size, size);
        Run(MatrixRegisters.CodeOf(TileCode.ConfigurationOf(form, shape)!), Register.None, null);
        Run(TileCode.BytesOf(form, shape, convention), ofWindows ? Register.RCX : Register.RDI, arguments);
        Run(MatrixRegisters.CodeOfRelease(), Register.None, null);
        Assert.That(HasTiles, Is.False, "systems keep what is not released");
        Assert.That(kept.Select(register => this[register]), Is.EqualTo(registers));
        Assert.That(!ofWindows || KeptVectors.Zip(vectors).All(static pair => pair.First.SequenceEqual(pair.Second)), "vectors that Windows wants back");
    }

    // Instructions by address, from the first to the return; jumps elsewhere find none.
    private static FrozenDictionary<ulong, Instruction> Decode(ReadOnlySpan<byte> bytes, ulong address)
    {
        var decoder = Decoder.Create(64, bytes.ToArray(), address);
        var instructions = new Dictionary<ulong, Instruction>();
        Instruction next;
        do
        {
            next = decoder.Decode();
            instructions.Add(next.IP, next);
        }
        while (next.Mnemonic != Mnemonic.Ret && !next.IsInvalid);

        return instructions.ToFrozenDictionary();
    }

    private void Run(FrozenDictionary<ulong, Instruction> code, ulong at)
    {
        for (int i = 0; i < MostInstructions; i++)
        {
            Instruction instruction = code[at];
            if (instruction.Mnemonic == Mnemonic.Ret)
            {
                return;
            }

            at = Goes(instruction) ? instruction.NearBranchTarget : instruction.NextIP;
        }

        throw new InvalidOperationException("The code does not end.");
    }

    // Interprets an instruction; says whether it jumps.
    private bool Goes(in Instruction instruction)
    {
        switch (instruction.Mnemonic)
        {
            case Mnemonic.Jmp:
                return true;
            case Mnemonic.Je:
                return _isZero;
            case Mnemonic.Jne:
                return !_isZero;
            case Mnemonic.Mov:
                this[instruction.Op0Register] = Value(instruction, 1);
                break;
            case Mnemonic.Add:
                this[instruction.Op0Register] += Value(instruction, 1);
                _isZero = this[instruction.Op0Register] == 0;
                break;
            case Mnemonic.Dec:
                this[instruction.Op0Register]--;
                _isZero = this[instruction.Op0Register] == 0;
                break;
            case Mnemonic.Test:
                _isZero = (Value(instruction, 0) & Value(instruction, 1)) == 0;
                break;
            case Mnemonic.Cmp:
                _isZero = Value(instruction, 0) == Value(instruction, 1);
                break;
            case Mnemonic.Prefetcht1:
                Asked.Add(Address(instruction));
                break;
            default:
                if (!Matrices(instruction) && !Vectors(instruction))
                {
                    throw new NotSupportedException($"{instruction} is no instruction of a tile.");
                }

                break;
        }

        return false;
    }

    private ulong Value(in Instruction instruction, int operand) => instruction.GetOpKind(operand) switch
    {
        OpKind.Register => this[instruction.GetOpRegister(operand)],
        OpKind.Memory when instruction.MemorySize is MemorySize.UInt64 or MemorySize.Int64 =>
            MemoryMarshal.Read<ulong>(Memory(Address(instruction), sizeof(ulong))),
        OpKind.Memory => throw new NotSupportedException($"{instruction} reads no 64 bits."),
        _ => instruction.GetImmediate(operand),
    };

    private ulong Address(in Instruction instruction) =>
        instruction.IsIPRelativeMemoryOperand ? instruction.IPRelativeMemoryAddress
        : instruction.MemoryIndex == Register.None ? this[instruction.MemoryBase] + instruction.MemoryDisplacement64
        : throw new NotSupportedException($"{instruction} has an index.");

    private Span<byte> Memory(ulong address, int bytes, bool isWritten = false)
    {
        foreach ((ulong start, ulong end, bool isWritable) in _memory)
        {
            if (address >= start && address + (ulong)bytes <= end && (isWritable || !isWritten))
            {
                return new Span<byte>((void*)address, bytes);
            }
        }

        return AllowsAll ? new Span<byte>((void*)address, bytes) : throw new InvalidOperationException($"{bytes} bytes at {address:X} are {(isWritten ? "written" : "read")}, and are none of the operands.");
    }
}
