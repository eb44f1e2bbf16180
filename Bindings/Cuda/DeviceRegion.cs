namespace NativeFfn.Bindings.Cuda;

/// <summary>A stretch of a device's memory. It does not keep the memory alive.</summary>
internal readonly struct DeviceRegion : IEquatable<DeviceRegion>
{
    /// <summary>Names memory that the caller vouches for; see <see cref="CudaContext.Region"/> for memory that is proven.</summary>
    /// <param name="address">CUdeviceptr.</param>
    /// <param name="bytes">Its length.</param>
    /// <exception cref="ArgumentException">The length is negative, passes the address space, or is of memory at 0.</exception>
    public DeviceRegion(nint address, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        if (address == 0 && bytes != 0)
        {
            throw new ArgumentException($"Address 0 was given as memory of {bytes} bytes.", nameof(address));
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan((ulong)bytes, ulong.MaxValue - (ulong)(nuint)address);
        (Address, Bytes) = (address, bytes);
    }

    /// <summary>CUdeviceptr; 0 of the empty region.</summary>
    public nint Address { get; }

    /// <summary>Length in bytes.</summary>
    public long Bytes { get; }

    /// <summary>Part of this region.</summary>
    /// <param name="offset">Bytes before it.</param>
    /// <param name="bytes">Its length.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part does not lie within.</exception>
    public DeviceRegion Slice(long offset, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Bytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, Bytes - offset);
        return new DeviceRegion(Address + (nint)offset, bytes);
    }

    /// <summary>Whether the two share a byte.</summary>
    public bool Overlaps(DeviceRegion other) =>
        Bytes > 0 && other.Bytes > 0
        && (nuint)Address < (nuint)other.Address + (nuint)other.Bytes && (nuint)other.Address < (nuint)Address + (nuint)Bytes;

    /// <inheritdoc/>
    public bool Equals(DeviceRegion other) => Address == other.Address && Bytes == other.Bytes;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is DeviceRegion other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Address, Bytes);
}
