using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Software;

/// <summary>cublasLtHandle_t.</summary>
internal sealed class SoftwareCublasHandle(SoftwareContext context)
{
    public SoftwareContext Context { get; } = context;

    public bool IsDestroyed { get; set; }
}

/// <summary>Addresses and factors of one product.</summary>
internal readonly record struct MatmulOperands(nint A, nint B, nint C, nint D, nint Workspace, float Alpha, float Beta);

/// <summary>One product: every output a sum in float32 over its inner dimension, naively.</summary>
internal sealed unsafe class MatmulOperation(
    Launch launch, SoftwareCublasHandle handle, MatmulProblem problem, MatmulChoice choice, MatmulOperands operands)
    : Operation(launch)
{
    private const byte SpoiledByte = 0xFF;

    public override object? Exclusive => handle;

    public override void Execute(SoftwareDevice device, SoftwareStream stream)
    {
        if (handle.IsDestroyed)
        {
            throw new NativeFailure(CudaResult.IllegalAddress, $"{this} runs after its cuBLASLt handle was destroyed.");
        }

        int ordinal = stream.Context.Ordinal;
        MatmulLaunch shape = problem.Shape;
        Spoil(device, ordinal);
        float[] left = Operand(device, ordinal, operands.A, problem.LeadingA, problem.IsTransposedA, shape.M, "A");
        float[] right = Operand(device, ordinal, operands.B, problem.LeadingB, !problem.IsTransposedB, shape.N, "B");
        float[]? bias = problem.HasBias ? Column(device, ordinal, problem.BiasType, problem.Bias, shape.M, "a bias") : null;
        float[] sums = new float[shape.M];
        for (int column = 0; column < shape.N; column++)
        {
            ReadOnlySpan<float> token = right.AsSpan(column * shape.K, shape.K);
            for (int row = 0; row < shape.M; row++)
            {
                sums[row] = operands.Alpha * Sum(left.AsSpan(row * shape.K, shape.K), token);
            }

            if (operands.Beta != 0)
            {
                float[] added = Column(
                    device, ordinal, shape.Output, operands.C + (nint)(column * problem.LeadingC * shape.Output.Bytes), shape.M, "C");
                for (int row = 0; row < shape.M; row++)
                {
                    sums[row] += operands.Beta * added[row];
                }
            }

            Finish(sums, bias);
            nint address = operands.D + (nint)(column * problem.LeadingD * shape.Output.Bytes);
            shape.Output.Store(
                sums, device.Memory.Resolve(address, (long)shape.M * shape.Output.Bytes, ordinal, $"{this}, writing D,"));
        }
    }

    /// <summary>
    /// To the ten bits behind the point that TF32 keeps; the middle goes away from zero, as the hardware's rounding has it.
    /// </summary>
    internal static float TensorFloat32(float value)
    {
        const uint Half = 1 << 12;
        const uint Kept = ~((1u << 13) - 1);
        return float.IsFinite(value) ? BitConverter.UInt32BitsToSingle((BitConverter.SingleToUInt32Bits(value) + Half) & Kept) : value;
    }

    private void Finish(float[] sums, float[]? bias)
    {
        for (int row = 0; row < sums.Length; row++)
        {
            float x = bias is null ? sums[row] : sums[row] + bias[row];
            sums[row] = problem.HasRelu ? (x > 0 ? x : 0) // also of NaN
                : problem.HasGelu ? 0.5f * x * (1 + MathF.Tanh(0.7978845608f * (x + (0.044715f * x * x * x))))
                : x;
        }
    }

    // A sum in parts has other roundings than a sum at once.
    private float Sum(ReadOnlySpan<float> left, ReadOnlySpan<float> right)
    {
        int length = (left.Length + choice.Parts - 1) / choice.Parts;
        float sum = 0;
        for (int start = 0; start < left.Length; start += length)
        {
            int end = Math.Min(start + length, left.Length);
            sum += RowMath.Dot(left[start..end], right[start..end]);
        }

        return sum;
    }

    // What a product leaves in its workspace is nobody's to use.
    private void Spoil(SoftwareDevice device, int ordinal)
    {
        int bytes = checked((int)choice.WorkspaceBytes(problem));
        if (bytes > 0)
        {
            new Span<byte>(
                device.Memory.Resolve(operands.Workspace, bytes, ordinal, $"{this}, in its workspace,"), bytes).Fill(SpoiledByte);
        }
    }

    // [vectors, K]: each vector's K numbers side by side, whether they lie in a column of the matrix or across its columns.
    private float[] Operand(
        SoftwareDevice device, int ordinal, nint address, long leading, bool vectorsAreColumns, int vectors, string what)
    {
        int k = problem.Shape.K;
        NumberFormat number = problem.Shape.Operand;
        float[] result = new float[checked(vectors * k)];
        int columns = vectorsAreColumns ? vectors : k;
        int rows = vectorsAreColumns ? k : vectors;
        for (int column = 0; column < columns; column++)
        {
            nint start = address + (nint)(column * leading * number.Bytes);
            byte* source = device.Memory.Resolve(start, (long)rows * number.Bytes, ordinal, $"{Launch!.Name}, reading {what},");
            if (vectorsAreColumns)
            {
                number.Widen(source, result.AsSpan(column * k, k));
                continue;
            }

            float[] across = new float[rows];
            number.Widen(source, across);
            for (int row = 0; row < rows; row++)
            {
                result[(row * k) + column] = across[row];
            }
        }

        if (problem.IsTensorFloat32)
        {
            for (int i = 0; i < result.Length; i++)
            {
                result[i] = TensorFloat32(result[i]);
            }
        }

        return result;
    }

    private float[] Column(SoftwareDevice device, int ordinal, NumberFormat number, nint address, int rows, string what)
    {
        float[] values = new float[rows];
        number.Widen(device.Memory.Resolve(address, (long)rows * number.Bytes, ordinal, $"{this}, reading {what},"), values);
        return values;
    }
}
