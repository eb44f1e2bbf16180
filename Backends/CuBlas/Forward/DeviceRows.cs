using System.Numerics;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Rows of float32 on the device: the caller's, or copies of them.</summary>
/// <param name="Address">The first element; 0 for no rows.</param>
/// <param name="Stride">Elements from one row to the next.</param>
internal readonly record struct DeviceRows(nint Address, long Stride)
{
    /// <summary>Whether there are none.</summary>
    public bool IsNone => Address == 0;

    /// <summary>Bytes, a power of two, that every row is aligned to; no more than anybody asks for.</summary>
    public int Alignment
    {
        get
        {
            long bits = Address | (Stride * sizeof(float)) | Weights.DeviceLayout.Alignment;
            return 1 << BitOperations.TrailingZeroCount(bits);
        }
    }

    /// <summary>The rows from a later one on.</summary>
    public DeviceRows From(long row) => IsNone ? this : this with { Address = checked(Address + (nint)(row * Stride * sizeof(float))) };

    /// <summary>The memory from the first row's first element to the last one's last.</summary>
    public DeviceRegion Region(int rows, int width) =>
        IsNone ? default : new DeviceRegion(Address, checked((((rows - 1) * Stride) + width) * sizeof(float)));
}
