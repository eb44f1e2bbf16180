using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Bindings.CuBlasLt;

/// <summary>
/// One product, row-major:
/// <c>output[tokens, rows] = input[tokens, columns] · weights[rows, columns]ᵀ (+ bias[rows]) (+ residual[tokens, rows])</c>.
/// </summary>
/// <remarks>Lengths and strides are in elements.</remarks>
internal readonly record struct MatmulShape
{
    /// <summary>Output channels.</summary>
    public required int Rows { get; init; }

    /// <summary>Input channels.</summary>
    public required int Columns { get; init; }

    /// <summary>Tokens.</summary>
    public required int Tokens { get; init; }

    /// <summary>From one output channel's weights to the next; at least <see cref="Columns"/>.</summary>
    public required long WeightStride { get; init; }

    /// <summary>From one token's input to the next; at least <see cref="Columns"/>.</summary>
    public required long InputStride { get; init; }

    /// <summary>From one token's output to the next; at least <see cref="Rows"/>.</summary>
    public required long OutputStride { get; init; }

    /// <summary>From one token's residual to the next, at least <see cref="Rows"/>; 0 where there is no residual.</summary>
    public long ResidualStride { get; init; }

    /// <summary>Type of weights and input.</summary>
    public required CudaDataType Operand { get; init; }

    /// <summary>Type of output and residual.</summary>
    public required CudaDataType Output { get; init; }

    /// <summary>How products are summed.</summary>
    public required CublasComputeType Compute { get; init; }

    /// <summary>What is done before storing.</summary>
    public required CublasLtEpilogue Epilogue { get; init; }

    /// <summary>The bias of an epilogue with one, <see cref="Rows"/> elements.</summary>
    public DeviceRegion Bias { get; init; }

    /// <summary>Type of <see cref="Bias"/>.</summary>
    public CudaDataType BiasType { get; init; }

    /// <summary>What every matrix's address is a multiple of: a power of two, 16 to 256 bytes.</summary>
    public required int AlignmentBytes { get; init; }

    /// <summary>Whether a residual is added.</summary>
    public bool HasResidual => ResidualStride != 0;

    /// <summary>Whether the epilogue adds a bias.</summary>
    public bool HasBias => (Epilogue & CublasLtEpilogue.Bias) != 0;

    /// <summary>Bytes from the weights' first element to their last.</summary>
    public long WeightBytes => Bytes(Rows, Columns, WeightStride, Operand);

    /// <summary>Bytes from the input's first element to its last.</summary>
    public long InputBytes => Bytes(Tokens, Columns, InputStride, Operand);

    /// <summary>Bytes from the output's first element to its last.</summary>
    public long OutputBytes => Bytes(Tokens, Rows, OutputStride, Output);

    /// <summary>Bytes from the residual's first element to its last; 0 where there is none.</summary>
    public long ResidualBytes => HasResidual ? Bytes(Tokens, Rows, ResidualStride, Output) : 0;

    /// <summary>Bytes of an element.</summary>
    public static int SizeOf(CudaDataType type) => type switch
    {
        CudaDataType.Float32 => 4,
        CudaDataType.Float16 or CudaDataType.BFloat16 => 2,
        CudaDataType.Float8E4M3 => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, null),
    };

    /// <summary>Proves that the shape can be given to cuBLASLt.</summary>
    /// <exception cref="ArgumentException">It cannot.</exception>
    public void Prove()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Columns);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Tokens);
        ArgumentOutOfRangeException.ThrowIfLessThan(WeightStride, Columns);
        ArgumentOutOfRangeException.ThrowIfLessThan(InputStride, Columns);
        ArgumentOutOfRangeException.ThrowIfLessThan(OutputStride, Rows);
        if (HasResidual)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(ResidualStride, Rows);
        }

        if (AlignmentBytes is < 16 or > 256 || !int.IsPow2(AlignmentBytes))
        {
            throw new ArgumentOutOfRangeException(nameof(AlignmentBytes), AlignmentBytes, "A power of two from 16 to 256 was expected.");
        }

        if (Bias.Bytes != (HasBias ? (long)Rows * SizeOf(BiasType) : 0))
        {
            throw new ArgumentException($"The epilogue {Epilogue} for {Rows} rows was given a bias of {Bias.Bytes} bytes.", nameof(Bias));
        }

        // Overflow of any length is an OverflowException here.
        _ = (WeightBytes, InputBytes, OutputBytes, ResidualBytes);
    }

    private static long Bytes(int rows, int columns, long stride, CudaDataType type) =>
        checked((((rows - 1) * stride) + columns) * SizeOf(type));
}
