using System.Runtime.InteropServices;

namespace NativeFfn.Tests.Software;

/// <summary>One allocation with guards on both sides, filled with bytes that are NaN in every number format.</summary>
internal sealed unsafe class Allocation
{
    private const int GuardBytes = 256;
    private const byte GuardByte = 0xA5;
    private const byte FreshByte = 0xFF;

    private byte* _block;

    public Allocation(long bytes, nint? address, SoftwareContext? context, int ordinal, bool isForeign)
    {
        (Bytes, MappedBytes) = (bytes, bytes);
        _block = (byte*)NativeMemory.AlignedAlloc((nuint)(bytes + (2 * GuardBytes)), GuardBytes);
        NativeMemory.Fill(_block, GuardBytes, GuardByte);
        NativeMemory.Fill(Data, (nuint)bytes, FreshByte);
        NativeMemory.Fill(Data + bytes, GuardBytes, GuardByte);
        Address = address ?? (nint)Data;
        Context = context;
        Ordinal = ordinal;
        IsForeign = isForeign;
    }

    /// <summary>As the program knows it: a device address, or where pinned memory really lies.</summary>
    public nint Address { get; }

    public long Bytes { get; }

    /// <summary>Bytes that the program may use; what follows them is reserved only.</summary>
    public long MappedBytes { get; set; }

    public SoftwareContext? Context { get; }

    public int Ordinal { get; }

    /// <summary>Made by a test in the place of the product, which must not free it.</summary>
    public bool IsForeign { get; }

    public bool IsLive => _block != null;

    /// <summary>The first byte.</summary>
    public byte* Data => _block + GuardBytes;

    public bool GuardsAreIntact => !IsLive
        || (new ReadOnlySpan<byte>(_block, GuardBytes).IndexOfAnyExcept(GuardByte) < 0
            && new ReadOnlySpan<byte>(Data + Bytes, GuardBytes).IndexOfAnyExcept(GuardByte) < 0);

    public void Free()
    {
        NativeMemory.AlignedFree(_block);
        _block = null;
    }

    public override string ToString() => $"{Bytes} bytes at 0x{Address:x}";
}
