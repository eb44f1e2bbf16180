using System.Buffers;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Bindings.CuBlasLt;

/// <summary>One product's descriptors. Immutable once made, so that threads may share it, each with a handle of its own.</summary>
/// <remarks>
/// cuBLASLt is column-major: a row-major matrix is its transposed one there. So weights are A [columns, rows] with op T, the input is
/// B [columns, tokens], and output and residual are D and C [rows, tokens]: the one form that FP8 has, too.
/// </remarks>
internal sealed unsafe class Matmul : IDisposable
{
    /// <summary>What a workspace's address must be a multiple of, in bytes.</summary>
    public const int WorkspaceAlignment = 256;

    // cublasOperation_t.
    private const int OpN = 0;
    private const int OpT = 1;

    // CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE: where a product is summed in parts, these are kept in float32. Without a mask they may be rounded
    // to the output's type.
    private const uint ReductionInComputeType = 2;

    private readonly CuBlasLtLibrary _library;
    private readonly MatmulShape _shape;
    private readonly CuBlasLtDescriptor _operation;
    private readonly CuBlasLtDescriptor _weights;
    private readonly CuBlasLtDescriptor _input;
    private readonly CuBlasLtDescriptor _residual;
    private readonly CuBlasLtDescriptor _output;

    private Matmul(CuBlasLtLibrary library, in MatmulShape shape)
    {
        (_library, _shape) = (library, shape);
        try
        {
            _operation = CuBlasLtDescriptor.Operation(library, shape.Compute);
            _operation.Set(CublasLtMatmulDescAttribute.TransA, OpT);
            _operation.Set(CublasLtMatmulDescAttribute.TransB, OpN);
            _operation.Set(CublasLtMatmulDescAttribute.Epilogue, (uint)shape.Epilogue);
            if (shape.HasBias)
            {
                _operation.Set(CublasLtMatmulDescAttribute.BiasPointer, shape.Bias.Address);
                _operation.Set(CublasLtMatmulDescAttribute.BiasDataType, (int)shape.BiasType);
            }

            _weights = CuBlasLtDescriptor.Layout(library, shape.Operand, shape.Columns, shape.Rows, shape.WeightStride);
            _input = CuBlasLtDescriptor.Layout(library, shape.Operand, shape.Columns, shape.Tokens, shape.InputStride);
            _output = CuBlasLtDescriptor.Layout(library, shape.Output, shape.Rows, shape.Tokens, shape.OutputStride);
            _residual = shape.HasResidual
                ? CuBlasLtDescriptor.Layout(library, shape.Output, shape.Rows, shape.Tokens, shape.ResidualStride)
                : _output;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What it computes.</summary>
    public MatmulShape Shape => _shape;

    /// <summary>Describes a product; needs no GPU.</summary>
    /// <exception cref="ArgumentException">The shape is none.</exception>
    /// <exception cref="OverflowException">A matrix is longer than 64-bit arithmetic can say.</exception>
    /// <exception cref="CuBlasLtException">The library refuses.</exception>
    public static Matmul Create(CuBlasLtLibrary library, in MatmulShape shape)
    {
        shape.Prove();
        return new Matmul(library, shape);
    }

    /// <summary>Asks for algorithms, best first by the library's own estimate. Its context is entered by the caller.</summary>
    /// <param name="handle">Of the device that will compute.</param>
    /// <param name="workspaceBytes">Device memory that they may need; 0 or more.</param>
    /// <param name="found">Filled from the start.</param>
    /// <returns>How many were found; 0 where the library has none for this product.</returns>
    public int Find(CuBlasLtHandle handle, long workspaceBytes, Span<MatmulAlgorithm> found)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(workspaceBytes);
        if (found.IsEmpty)
        {
            return 0;
        }

        using CuBlasLtDescriptor preference = Preference(workspaceBytes);
        CuBlasLtHeuristicResult[] results = ArrayPool<CuBlasLtHeuristicResult>.Shared.Rent(found.Length);
        try
        {
            int returned = 0;
            int status;
            fixed (CuBlasLtHeuristicResult* first = results)
            {
                status = _library.Functions.cublasLtMatmulAlgoGetHeuristic(
                    handle.Handle, _operation.Handle, _weights.Handle, _input.Handle, _residual.Handle, _output.Handle, preference.Handle,
                    found.Length, first, &returned);
            }

            if (status == CuBlasLtStatus.NotSupported)
            {
                return 0;
            }

            _library.Check(status, nameof(CuBlasLtFunctions.cublasLtMatmulAlgoGetHeuristic));
            int kept = 0;
            foreach (ref readonly CuBlasLtHeuristicResult result in results.AsSpan(0, Math.Min(returned, found.Length)))
            {
                if (result.State == CuBlasLtStatus.Success)
                {
                    found[kept++] = Read(result);
                }
            }

            return kept;
        }
        finally
        {
            ArrayPool<CuBlasLtHeuristicResult>.Shared.Return(results);
        }
    }

    /// <summary>
    /// Whether an algorithm, kept from before perhaps, can compute this product on this device. Its context is entered by the caller.
    /// </summary>
    /// <param name="handle">Of the device that will compute.</param>
    /// <param name="algorithm">Its workspace and waves are set where it can.</param>
    public bool Accepts(CuBlasLtHandle handle, ref MatmulAlgorithm algorithm)
    {
        CuBlasLtHeuristicResult result = default;
        CuBlasLtAlgorithm native = algorithm.Native;
        int status = _library.Functions.cublasLtMatmulAlgoCheck(
            handle.Handle, _operation.Handle, _weights.Handle, _input.Handle, _residual.Handle, _output.Handle, &native, &result);
        if (status is CuBlasLtStatus.NotInitialized or CuBlasLtStatus.AllocFailed)
        {
            _library.Check(status, nameof(CuBlasLtFunctions.cublasLtMatmulAlgoCheck));
        }

        // Any other answer says that the algorithm is none, whatever it finds wrong with it.
        if (status != CuBlasLtStatus.Success || result.State != CuBlasLtStatus.Success)
        {
            return false;
        }

        (algorithm.WorkspaceBytes, algorithm.Waves) = (checked((long)result.WorkspaceSize), result.WavesCount);
        return true;
    }

    /// <summary>Computes the product. The handle's context is entered by the caller.</summary>
    /// <param name="handle">Of the stream's context.</param>
    /// <param name="algorithm">One that was found or accepted for this product.</param>
    /// <param name="weights">At least <see cref="MatmulShape.WeightBytes"/>.</param>
    /// <param name="input">At least <see cref="MatmulShape.InputBytes"/>.</param>
    /// <param name="residual">
    /// At least <see cref="MatmulShape.ResidualBytes"/>; the very rows of the output, or rows that share no byte with it.
    /// </param>
    /// <param name="output">At least <see cref="MatmulShape.OutputBytes"/>; shares no byte with weights, input and workspace.</param>
    /// <param name="workspace">
    /// At least what the algorithm needs, at a multiple of <see cref="WorkspaceAlignment"/>; shares no byte with the others.
    /// </param>
    /// <param name="stream">Where it runs.</param>
    /// <exception cref="ArgumentException">A region does not fit.</exception>
    /// <exception cref="CuBlasLtException">The library refuses.</exception>
    public void Run(
        CuBlasLtHandle handle, in MatmulAlgorithm algorithm, DeviceRegion weights, DeviceRegion input, DeviceRegion residual, DeviceRegion output,
        DeviceRegion workspace, CudaStream stream)
    {
        ProveRegion(weights, _shape.WeightBytes, nameof(weights));
        ProveRegion(input, _shape.InputBytes, nameof(input));
        ProveRegion(output, _shape.OutputBytes, nameof(output));
        ProveRegion(residual, _shape.ResidualBytes, nameof(residual));
        ProveApart(weights, output);
        ProveApart(input, output);
        ProveApart(output, workspace);
        ProveApart(weights, workspace);
        ProveApart(input, workspace);
        ProveApart(residual, workspace);
        if (_shape.HasResidual && !(residual.Address == output.Address && _shape.ResidualStride == _shape.OutputStride))
        {
            ProveApart(residual, output);
        }

        if (workspace.Bytes < algorithm.WorkspaceBytes || workspace.Address % WorkspaceAlignment != 0)
        {
            throw new ArgumentException(
                $"The workspace has {workspace.Bytes} bytes at 0x{workspace.Address:x}; "
                + $"{algorithm.WorkspaceBytes} at a multiple of {WorkspaceAlignment} are needed.",
                nameof(workspace));
        }

        if (handle.Context != stream.Context)
        {
            throw new ArgumentException("Handle and stream are of different contexts.", nameof(stream));
        }

        float alpha = 1;
        float beta = _shape.HasResidual ? 1 : 0;
        CuBlasLtAlgorithm native = algorithm.Native;
        _library.Check(_library.Functions.cublasLtMatmul(
            handle.Handle, _operation.Handle, &alpha, weights.Address, _weights.Handle, input.Address, _input.Handle,
            &beta, _shape.HasResidual ? residual.Address : output.Address, _residual.Handle, output.Address, _output.Handle,
            &native, workspace.Address, (nuint)workspace.Bytes, stream.Handle));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // One that the library refused half-way lacks the last of them.
        _operation?.Dispose();
        _weights?.Dispose();
        _input?.Dispose();
        _residual?.Dispose();
        _output?.Dispose();
    }

    private static MatmulAlgorithm Read(in CuBlasLtHeuristicResult result) =>
        new() { Native = result.Algorithm, WorkspaceBytes = checked((long)result.WorkspaceSize), Waves = result.WavesCount };

    private static void ProveApart(DeviceRegion region, DeviceRegion written)
    {
        if (region.Overlaps(written))
        {
            throw new ArgumentException("What the product writes shares memory with another operand.", nameof(written));
        }
    }

    private void ProveRegion(DeviceRegion region, long bytes, string name)
    {
        if (region.Bytes < bytes || region.Address % _shape.AlignmentBytes != 0)
        {
            throw new ArgumentException(
                $"{name} has {region.Bytes} bytes at 0x{region.Address:x}; {bytes} at a multiple of {_shape.AlignmentBytes} are needed.", name);
        }
    }

    private CuBlasLtDescriptor Preference(long workspaceBytes)
    {
        CuBlasLtDescriptor preference = CuBlasLtDescriptor.Preference(_library);
        try
        {
            preference.Set(CublasLtMatmulPreferenceAttribute.MaxWorkspaceBytes, (ulong)workspaceBytes);
            preference.Set(CublasLtMatmulPreferenceAttribute.MinAlignmentA, (uint)_shape.AlignmentBytes);
            preference.Set(CublasLtMatmulPreferenceAttribute.MinAlignmentB, (uint)_shape.AlignmentBytes);
            preference.Set(CublasLtMatmulPreferenceAttribute.MinAlignmentC, (uint)_shape.AlignmentBytes);
            preference.Set(CublasLtMatmulPreferenceAttribute.MinAlignmentD, (uint)_shape.AlignmentBytes);
            preference.Set(CublasLtMatmulPreferenceAttribute.ReductionSchemeMask, ReductionInComputeType);
            return preference;
        }
        catch
        {
            preference.Dispose();
            throw;
        }
    }
}
