using System.Runtime.InteropServices;
using Iced.Intel;

namespace NativeFfn.Tests.Panels;

/// <content>The registers of AMX.</content>
internal sealed unsafe partial class TileInterpreter
{
    private const int TileCount = 8;
    private const int TileRows = 16;
    private const int RowBytes = 64;
    private const int RowLanes = RowBytes / sizeof(int);
    private const int ConfigurationBytes = 64;

    private readonly byte[][] _tiles = [.. Enumerable.Range(0, TileCount).Select(static _ => new byte[TileRows * RowBytes])];
    private byte[]? _configuration;

    /// <summary>Whether the tile registers are in use, which systems then keep.</summary>
    public bool HasTiles => _configuration is not null;

    /// <summary>Instructions that multiplied.</summary>
    public int Products { get; private set; }

    // Whether the instruction is one of these.
    private bool Matrices(in Instruction instruction)
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
                MultiplyPairs(instruction.Op0Register, instruction.Op1Register, instruction.Op2Register);
                break;
            case Mnemonic.Tdpbssd:
                MultiplyFours(instruction.Op0Register, instruction.Op1Register, instruction.Op2Register, isLeftSigned: true);
                break;
            case Mnemonic.Tdpbusd:
                MultiplyFours(instruction.Op0Register, instruction.Op1Register, instruction.Op2Register, isLeftSigned: false);
                break;
            default:
                return false;
        }

        return true;
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

    // What the processor faults at: one register for two operands, shapes that do not fit.
    private (int Rows, int Lanes, int Depth) Product(Register sums, Register left, Register right)
    {
        Products++;
        ((int m, int sumBytes), (int leftRows, int leftBytes), (int k, int rightBytes)) = (Shape(sums), Shape(left), Shape(right));
        return sums != left && sums != right && left != right && m == leftRows && sumBytes == rightBytes && leftBytes == k * sizeof(int) && sumBytes % sizeof(int) == 0
            ? (m, sumBytes / sizeof(int), k)
            : throw new InvalidOperationException($"{sums} [{m} × {sumBytes}] is not {left} [{leftRows} × {leftBytes}] by {right} [{k} × {rightBytes}].");
    }

    // Even and odd columns are added from zero by themselves, then to each other and to the sum.
    private void MultiplyPairs(Register sums, Register left, Register right)
    {
        (int m, int lanes, int k) = Product(sums, left, right);
        Span<float> c = MemoryMarshal.Cast<byte, float>(Tile(sums));
        Span<uint> a = MemoryMarshal.Cast<byte, uint>(Tile(left));
        Span<uint> b = MemoryMarshal.Cast<byte, uint>(Tile(right));
        for (int row = 0; row < m; row++)
        {
            for (int n = 0; n < lanes; n++)
            {
                float even = 0, odd = 0;
                for (int pair = 0; pair < k; pair++)
                {
                    (uint x, uint y) = (a[(row * RowLanes) + pair], b[(pair * RowLanes) + n]);
                    even = Normal(MathF.FusedMultiplyAdd(Normal(Lower(x)), Normal(Lower(y)), even));
                    odd = Normal(MathF.FusedMultiplyAdd(Normal(Upper(x)), Normal(Upper(y)), odd));
                }

                ref float sum = ref c[(row * RowLanes) + n];
                sum = Normal(Normal(sum) + Normal(even + odd));
            }
        }

        static float Lower(uint pair) => BitConverter.UInt32BitsToSingle(pair << 16);
        static float Upper(uint pair) => BitConverter.UInt32BitsToSingle(pair & 0xFFFF_0000);
        static float Normal(float number) => float.IsSubnormal(number) ? MathF.CopySign(0, number) : number;
    }

    // Four bytes of a lane by four, of which the right ones are signed, added without saturation.
    private void MultiplyFours(Register sums, Register left, Register right, bool isLeftSigned)
    {
        (int m, int lanes, int k) = Product(sums, left, right);
        Span<int> c = MemoryMarshal.Cast<byte, int>(Tile(sums));
        Span<byte> a = Tile(left), b = Tile(right);
        for (int row = 0; row < m; row++)
        {
            for (int i = 0; i < k * sizeof(int); i++)
            {
                int x = isLeftSigned ? (sbyte)a[(row * RowBytes) + i] : a[(row * RowBytes) + i];
                for (int n = 0; n < lanes; n++)
                {
                    int y = (sbyte)b[(i / sizeof(int) * RowBytes) + (n * sizeof(int)) + (i % sizeof(int))];
                    unchecked
                    {
                        c[(row * RowLanes) + n] += x * y;
                    }
                }
            }
        }
    }
}
