using System.Runtime.InteropServices;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Bench.Gpu;

/// <summary>
/// Fills memory of a device with random numbers: what multiplies zeros draws less power than what multiplies numbers, and so runs at a
/// higher clock.
/// </summary>
internal sealed unsafe class RandomNumbers : IDisposable
{
    // Random bytes that are made on the host and then repeated.
    private const long PatternBytes = 8 << 20;
    private const int Seed = 1;

    private readonly CudaStream _stream;
    private readonly PinnedMemory _pattern;
    private readonly Random _random = new(Seed);

    public RandomNumbers(CudaStream stream)
    {
        _stream = stream;
        _pattern = stream.Context.AllocatePinned(PatternBytes);
    }

    /// <summary>Fills memory with numbers of a type, uniform in (−1, 1) but for E4M3, and waits for it.</summary>
    /// <param name="memory">Memory, all of it.</param>
    /// <param name="type">The numbers' type.</param>
    public void Fill(DeviceRegion memory, CudaDataType type)
    {
        long length = Math.Min(PatternBytes, memory.Bytes);
        Make(new Span<byte>(_pattern.Pointer, (int)length), type);
        _stream.CopyToDevice(_pattern.Pointer, memory.Slice(0, length));
        for (long filled = length; filled < memory.Bytes; filled += length)
        {
            length = Math.Min(filled, memory.Bytes - filled);
            _stream.CopyOnDevice(memory.Slice(0, length), memory.Slice(filled, length));
        }

        _stream.Synchronize();
    }

    public void Dispose() => _pattern.Dispose();

    private void Make(Span<byte> bytes, CudaDataType type)
    {
        switch (type)
        {
            case CudaDataType.Float32:
                foreach (ref float value in MemoryMarshal.Cast<byte, float>(bytes))
                {
                    value = Uniform();
                }

                break;
            case CudaDataType.BFloat16:
                foreach (ref ushort value in MemoryMarshal.Cast<byte, ushort>(bytes))
                {
                    value = (ushort)(BitConverter.SingleToUInt32Bits(Uniform()) >> 16);
                }

                break;
            case CudaDataType.Float16:
                foreach (ref ushort value in MemoryMarshal.Cast<byte, ushort>(bytes))
                {
                    value = BitConverter.HalfToUInt16Bits((Half)Uniform());
                }

                break;
            default:
                // Without the exponent's upper bit, E4M3 stays below 2 and is no NaN.
                _random.NextBytes(bytes);
                foreach (ref byte value in bytes)
                {
                    value &= 0xBF;
                }

                break;
        }
    }

    private float Uniform() => (2f * _random.NextSingle()) - 1f;
}
