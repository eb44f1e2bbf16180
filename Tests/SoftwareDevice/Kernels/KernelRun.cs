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
    public float[] ReadOwn(Number number, nint address, long first, int count)
    {
        RequireAligned(number, address, first);
        return Read(number, address, first, count);
    }

    /// <summary>The same, or null where it is not given.</summary>
    public float[]? ReadOptional(nint address, long first, int count) => address == 0 ? null : ReadOwn(Number.F32, address, first, count);

    /// <summary>Numbers from <paramref name="first"/> on, aligned to their own size.</summary>
    public float[] Read(Number number, nint address, long first, int count)
    {
        float[] values = new float[count];
        Numbers.Widen(number, Resolve(number, address, first, count, "reads"), values);
        return values;
    }

    /// <summary>Whole numbers of 32 bits from <paramref name="first"/> on.</summary>
    public int[] ReadIntegers(nint address, long first, int count) =>
        new ReadOnlySpan<int>(Resolve(Number.F32, address, first, count, "reads"), count).ToArray();

    /// <summary>One float of a row that may be missing.</summary>
    public float ReadOne(nint address, long index, float otherwise) => address == 0 ? otherwise : Read(Number.F32, address, index, 1)[0];

    public void WriteOwn(Number number, nint address, long first, ReadOnlySpan<float> values)
    {
        RequireAligned(number, address, first);
        Write(number, address, first, values);
    }

    public void Write(Number number, nint address, long first, ReadOnlySpan<float> values) =>
        Numbers.Round(number, values, Resolve(number, address, first, values.Length, "writes"));

    /// <summary>Refuses an argument that the kernel is not written for.</summary>
    public void Require(bool isRight, string what)
    {
        if (!isRight)
        {
            throw new NativeFailure(CudaResult.LaunchFailed, $"{kernel}: {what}");
        }
    }

    private byte* Resolve(Number number, nint address, long first, int count, string verb)
    {
        nint start = (nint)(address + (first * number.Size()));
        if (start % number.Size() != 0)
        {
            throw new NativeFailure(CudaResult.MisalignedAddress, $"{kernel} {verb} {number} numbers at 0x{start:x}.");
        }

        return device.Memory.Resolve(start, (long)count * number.Size(), ordinal, $"{kernel}, which {verb} {count} {number} numbers,");
    }

    private void RequireAligned(Number number, nint address, long first)
    {
        if ((address + (first * number.Size())) % VectorBytes != 0)
        {
            throw new NativeFailure(
                CudaResult.MisalignedAddress,
                $"{kernel} touches a row at 0x{address + (first * number.Size()):x}, not at {VectorBytes} bytes.");
        }
    }
}
