using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Software;

/// <summary>One run of a kernel, with device memory as it may touch it: whole rows, each inside one live allocation.</summary>
internal readonly unsafe struct KernelRun(SoftwareDevice device, int ordinal, ModulePrecision precision, KernelGrid grid, string kernel)
{
    /// <summary>What the kernels read at once of rows that are the product's own.</summary>
    public const int VectorBytes = 16;

    /// <summary>Rows of the product's own are padded to so many elements.</summary>
    public const int Padding = 16;

    public ModulePrecision Precision => precision;

    public KernelGrid Grid => grid;

    public static int Padded(int width) => (width + Padding - 1) / Padding * Padding;

    /// <summary>A row of the product's own, which starts at 16 bytes.</summary>
    public float[] ReadOwn(NumberFormat number, nint address, long first, int count)
    {
        RequireAligned(number, address, first);
        return Read(number, address, first, count);
    }

    /// <summary>The same, or null where it is not given.</summary>
    public float[]? ReadOptional(nint address, long first, int count) => address == 0 ? null : ReadOwn(NumberFormat.Float32, address, first, count);

    /// <summary>Numbers from <paramref name="first"/> on, aligned to their own size.</summary>
    public float[] Read(NumberFormat number, nint address, long first, int count)
    {
        float[] values = new float[count];
        number.Widen(Resolve(number, address, first, count, "reads"), values);
        return values;
    }

    /// <summary>Whole numbers of 32 bits from <paramref name="first"/> on.</summary>
    public int[] ReadIntegers(nint address, long first, int count) =>
        new ReadOnlySpan<int>(Resolve(NumberFormat.Float32, address, first, count, "reads"), count).ToArray();

    /// <summary>One float of a row that may be missing.</summary>
    public float ReadOne(nint address, long index, float otherwise) => address == 0 ? otherwise : Read(NumberFormat.Float32, address, index, 1)[0];

    public void WriteOwn(NumberFormat number, nint address, long first, ReadOnlySpan<float> values)
    {
        RequireAligned(number, address, first);
        Write(number, address, first, values);
    }

    public void Write(NumberFormat number, nint address, long first, ReadOnlySpan<float> values) =>
        number.Store(values, Resolve(number, address, first, values.Length, "writes"));

    /// <summary>Refuses an argument that the kernel is not written for.</summary>
    public void Require(bool isRight, string what)
    {
        if (!isRight)
        {
            throw new NativeFailure(CudaResult.LaunchFailed, $"{kernel}: {what}");
        }
    }

    private byte* Resolve(NumberFormat number, nint address, long first, int count, string verb)
    {
        nint start = (nint)(address + (first * number.Bytes));
        if (start % number.Bytes != 0)
        {
            throw new NativeFailure(CudaResult.MisalignedAddress, $"{kernel} {verb} {number} numbers at 0x{start:x}.");
        }

        return device.Memory.Resolve(start, (long)count * number.Bytes, ordinal, $"{kernel}, which {verb} {count} {number} numbers,");
    }

    private void RequireAligned(NumberFormat number, nint address, long first)
    {
        if ((address + (first * number.Bytes)) % VectorBytes != 0)
        {
            throw new NativeFailure(
                CudaResult.MisalignedAddress,
                $"{kernel} touches a row at 0x{address + (first * number.Bytes):x}, not at {VectorBytes} bytes.");
        }
    }
}
