using System.Collections.Frozen;
using System.Runtime.InteropServices;
using Iced.Intel;

namespace NativeFfn.Tests.Panels;

/// <summary>Interprets the machine code of tiles by AMX as Intel's manual defines it, where no processor has AMX.</summary>
/// <remarks>It knows the instructions that the generator emits and throws at any other, and at every byte that is read or written outside of what it was given.</remarks>
internal sealed unsafe class TileInterpreter
{
    private const int TileCount = 8;
    private const int TileRows = 16;
    private const int RowBytes = 64;
    private const int ConfigurationBytes = 64;
    private const int VectorBytes = 16;

    // No loop of a test is as long.
    private const int MostInstructions = 1_000_000;

    // What registers hold that nobody has written.
    private const ulong Unset = 0xDEAD_BEEF_DEAD_BEEF;

    private readonly List<(ulong Start, ulong End, bool IsWritable)> _memory = [];
    private readonly Dictionary<Register, ulong> _registers = [];
    private readonly byte[][] _vectors = [.. Enumerable.Range(0, 16).Select(static i => Enumerable.Repeat((byte)i, VectorBytes).ToArray())];
    private readonly byte[][] _tiles = [.. Enumerable.Range(0, TileCount).Select(static _ => new byte[TileRows * RowBytes])];
    private byte[]? _configuration;
    private bool _isZero;

    /// <summary>Whether the tile registers are in use, which systems then keep.</summary>
    public bool HasTiles => _configuration is not null;

    /// <summary>Instructions that multiplied.</summary>
    public int Products { get; private set; }

    /// <summary>Addresses that memory was asked for, in this order.</summary>
    public List<ulong> Asked { get; } = [];

    /// <summary>Vectors as they are.</summary>
    public IEnumerable<byte[]> Vectors => _vectors;

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
        byte* code = (byte*)NativeMemory.AlignedAlloc((nuint)bytes.Length, RowBytes);
        try
        {
            bytes.CopyTo(new Span<byte>(code, bytes.Length));
            Allow(code, bytes.Length, isWritable: false);
            this[argument] = (ulong)value;
            Run(Decode(bytes, (ulong)code), (ulong)code);
        }
        finally
        {
            NativeMemory.AlignedFree(code);
        }
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
            case Mnemonic.Vmovups when instruction.Op0Kind == OpKind.Memory:
                _vectors[Vector(instruction.Op1Register)].CopyTo(Memory(Address(instruction), VectorBytes, isWritten: true));
                break;
            case Mnemonic.Vmovups:
                Memory(Address(instruction), VectorBytes).CopyTo(_vectors[Vector(instruction.Op0Register)]);
                break;
            case Mnemonic.Vzeroupper:
                // Of vectors no more than 16 bytes are held.
                break;
            default:
                Tiles(instruction);
                break;
        }

        return false;
    }

    private void Tiles(in Instruction instruction)
    {
        switch (instruction.Mnemonic)
        {
            case Mnemonic.Ldtilecfg:
                _configuration = Checked(Memory(Address(instruction), ConfigurationBytes));
                Array.ForEach(_tiles, static tile => tile.AsSpan().Clear());
                break;
            case Mnemonic.Tilerelease:
                _configuration = null;
                break;
            case Mnemonic.Tilezero:
                _ = Shape(instruction.Op0Register);
                Tile(instruction.Op0Register).Clear();
                break;
            case Mnemonic.Tileloadd:
                Tile(instruction.Op0Register).Clear();
                Move(instruction, instruction.Op0Register, isStored: false);
                break;
            case Mnemonic.Tilestored:
                Move(instruction, instruction.Op1Register, isStored: true);
                break;
            case Mnemonic.Tdpbf16ps:
                Multiply(instruction.Op0Register, instruction.Op1Register, instruction.Op2Register);
                break;
            default:
                throw new NotSupportedException($"{instruction} is no instruction of a tile.");
        }
    }

    // What the processor faults at: palettes but 1, a start within a tile, reserved bytes, shapes out of bounds.
    private static byte[] Checked(ReadOnlySpan<byte> configuration)
    {
        bool isValid = configuration[0] == 1 && configuration[1] == 0 && !configuration[2..16].ContainsAnyExcept((byte)0)
            && !configuration[(16 + (2 * TileCount))..48].ContainsAnyExcept((byte)0) && !configuration[(48 + TileCount)..].ContainsAnyExcept((byte)0);
        for (int tile = 0; tile < TileCount; tile++)
        {
            (int rows, int bytes) = Shape(configuration, tile);
            isValid &= rows <= TileRows && bytes <= RowBytes && rows == 0 == (bytes == 0);
        }

        return isValid ? configuration.ToArray() : throw new InvalidOperationException($"No configuration: {Convert.ToHexString(configuration)}");
    }

    private static (int Rows, int Bytes) Shape(ReadOnlySpan<byte> configuration, int tile) =>
        (configuration[48 + tile], configuration[16 + (2 * tile)] | (configuration[17 + (2 * tile)] << 8));

    private (int Rows, int Bytes) Shape(Register tile)
    {
        (int rows, int bytes) = _configuration is { } configuration ? Shape(configuration, tile - Register.TMM0) : default;
        return rows > 0 ? (rows, bytes) : throw new InvalidOperationException($"{tile} is not configured.");
    }

    private Span<byte> Tile(Register tile) => _tiles[tile - Register.TMM0];

    // The index of the address is the distance of rows.
    private void Move(in Instruction instruction, Register tile, bool isStored)
    {
        (int rows, int bytes) = Shape(tile);
        ulong first = this[instruction.MemoryBase] + instruction.MemoryDisplacement64;
        ulong stride = instruction.MemoryIndex == Register.None ? 0 : this[instruction.MemoryIndex] * (ulong)instruction.MemoryIndexScale;
        for (int row = 0; row < rows; row++)
        {
            Span<byte> memory = Memory(first + ((ulong)row * stride), bytes, isStored);
            Span<byte> register = Tile(tile).Slice(row * RowBytes, bytes);
            if (isStored)
            {
                register.CopyTo(memory);
            }
            else
            {
                memory.CopyTo(register);
            }
        }
    }

    // Even and odd columns are added from zero by themselves, then to each other and to the sum.
    private void Multiply(Register sums, Register left, Register right)
    {
        Products++;
        ((int m, int sumBytes), (int leftRows, int leftBytes), (int k, int rightBytes)) = (Shape(sums), Shape(left), Shape(right));
        if (sums == left || sums == right || left == right || m != leftRows || sumBytes != rightBytes || leftBytes != k * sizeof(float))
        {
            throw new InvalidOperationException($"{sums} [{m} × {sumBytes}] is not {left} [{leftRows} × {leftBytes}] by {right} [{k} × {rightBytes}].");
        }

        const int rowFloats = RowBytes / sizeof(float);
        Span<float> c = MemoryMarshal.Cast<byte, float>(Tile(sums));
        Span<uint> a = MemoryMarshal.Cast<byte, uint>(Tile(left));
        Span<uint> b = MemoryMarshal.Cast<byte, uint>(Tile(right));
        for (int row = 0; row < m; row++)
        {
            for (int n = 0; n < sumBytes / sizeof(float); n++)
            {
                float even = 0, odd = 0;
                for (int pair = 0; pair < k; pair++)
                {
                    (uint x, uint y) = (a[(row * rowFloats) + pair], b[(pair * rowFloats) + n]);
                    even = Normal(MathF.FusedMultiplyAdd(Normal(Lower(x)), Normal(Lower(y)), even));
                    odd = Normal(MathF.FusedMultiplyAdd(Normal(Upper(x)), Normal(Upper(y)), odd));
                }

                ref float sum = ref c[(row * rowFloats) + n];
                sum = Normal(Normal(sum) + Normal(even + odd));
            }
        }

        static float Lower(uint pair) => BitConverter.UInt32BitsToSingle(pair << 16);
        static float Upper(uint pair) => BitConverter.UInt32BitsToSingle(pair & 0xFFFF_0000);
        static float Normal(float number) => float.IsSubnormal(number) ? MathF.CopySign(0, number) : number;
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

    private static int Vector(Register register) =>
        register.IsXMM() && register - Register.XMM0 < 16 ? register - Register.XMM0 : throw new NotSupportedException($"{register} is not held.");

    private Span<byte> Memory(ulong address, int bytes, bool isWritten = false)
    {
        foreach ((ulong start, ulong end, bool isWritable) in _memory)
        {
            if (address >= start && address + (ulong)bytes <= end && (isWritable || !isWritten))
            {
                return new Span<byte>((void*)address, bytes);
            }
        }

        throw new InvalidOperationException($"{bytes} bytes at {address:X} are {(isWritten ? "written" : "read")}, and are none of the operands.");
    }
}
