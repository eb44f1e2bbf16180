using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Cpu.Rows;

namespace NativeFfn.Backends.Parallel;

/// <summary>Where a forward's rows begin, while they are pinned.</summary>
/// <param name="input">The input.</param>
/// <param name="residual">The residual, or null.</param>
/// <param name="output">The output.</param>
internal readonly unsafe ref struct RowPlaces(float* input, float* residual, float* output)
{
    /// <summary>The input.</summary>
    public float* Input { get; } = input;

    /// <summary>The residual, or null.</summary>
    public float* Residual { get; } = residual;

    /// <summary>The output.</summary>
    public float* Output { get; } = output;
}

/// <summary>What a block has around its network, on the rank that has the tokens: the norm before, and after the sum the other norms, scales
/// and the residual.</summary>
internal sealed unsafe class BlockRows : IDisposable
{
    private readonly FfnSpec _spec;
    private readonly NativeBuffer _vectors;
    private readonly Dictionary<FfnTensorRole, nint> _places = [];

    /// <summary>Reads the vectors.</summary>
    public BlockRows(FfnSpec spec, IFfnWeightSource source)
    {
        _spec = spec;
        FfnTensor[] vectors = [.. spec.Tensors.Where(static tensor => tensor.Role
            is FfnTensorRole.PreNormWeight or FfnTensorRole.PreNormBias or FfnTensorRole.BranchNormWeight or FfnTensorRole.BranchNormBias
            or FfnTensorRole.PostNormWeight or FfnTensorRole.PostNormBias or FfnTensorRole.BranchScale)];
        _vectors = new NativeBuffer(vectors.Sum(static tensor => NativeBuffer.Align(tensor.Columns)), $"The vectors of {spec}");
        float* place = _vectors.Pointer;
        foreach (FfnTensor tensor in vectors)
        {
            source.ReadRows(tensor, 0, new Span<float>(place, tensor.Columns));
            _places.Add(tensor.Role, (nint)place);
            place += NativeBuffer.Align(tensor.Columns);
        }
    }

    /// <summary>Writes rows as the network reads them.</summary>
    /// <param name="rows">The forward.</param>
    /// <param name="input">Its input.</param>
    /// <param name="first">The first token.</param>
    /// <param name="tokens">Tokens.</param>
    /// <param name="prepared">Receives their rows, one behind the other.</param>
    public void Prepare(in FfnRows rows, float* input, int first, int tokens, float* prepared)
    {
        long stride = FfnRows.StrideOf(rows.Input);
        for (long token = 0; token < tokens; token++)
        {
            Prepare(rows.Mode, input + ((first + token) * stride), prepared + (token * _spec.InputWidth));
        }
    }

    /// <summary>Writes tokens' outputs.</summary>
    /// <param name="rows">The forward.</param>
    /// <param name="places">Its input, residual and output.</param>
    /// <param name="first">The first token.</param>
    /// <param name="tokens">Tokens.</param>
    /// <param name="result">The network's results, one behind the other; are computed on.</param>
    /// <param name="scratch">Room for a row of the input.</param>
    public void Finish(in FfnRows rows, in RowPlaces places, int first, int tokens, float* result, float* scratch)
    {
        float* added = rows.Mode == FfnMode.Residual ? places.Residual : places.Input;
        long addedStride = FfnRows.StrideOf(rows.Mode == FfnMode.Residual ? rows.Residual : rows.Input);
        long stride = FfnRows.StrideOf(rows.Output);
        bool normed = rows.Mode == FfnMode.Block && _spec is { PreNorm: not null, BlockForm.ResidualIsNormed: true };
        for (long token = 0; token < tokens; token++)
        {
            if (normed)
            {
                Prepare(rows.Mode, places.Input + ((first + token) * FfnRows.StrideOf(rows.Input)), scratch);
            }

            Finish(
                rows.Mode, result + (token * _spec.OutputWidth), added + ((first + token) * addedStride), scratch,
                places.Output + ((first + token) * stride));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _vectors.Dispose();

    // A token's row as the network reads it.
    private void Prepare(FfnMode mode, float* input, float* row)
    {
        if (mode == FfnMode.Block && _spec.PreNorm is { } norm)
        {
            Normalize(norm, FfnTensorRole.PreNormWeight, FfnTensorRole.PreNormBias, input, row, _spec.InputWidth);
        }
        else
        {
            RowKernel.Copy(row, input, _spec.InputWidth);
        }
    }

    // A token's output, which may be the residual; prepared is the row as the network read it, where the form wants it.
    private void Finish(FfnMode mode, float* result, float* residual, float* prepared, float* output)
    {
        int width = _spec.OutputWidth;
        switch (mode)
        {
            case FfnMode.Ffn:
                RowKernel.Copy(output, result, width);
                break;
            case FfnMode.Residual:
                RowKernel.Add(output, residual, result, width);
                break;
            default:
                FinishBlock(result, _spec.BlockForm.ResidualIsNormed ? prepared : residual, output, width);
                break;
        }
    }

    private void FinishBlock(float* result, float* residual, float* output, int width)
    {
        BlockForm form = _spec.BlockForm;
        if (_spec.BranchNorm is { } branch)
        {
            Normalize(branch, FfnTensorRole.BranchNormWeight, FfnTensorRole.BranchNormBias, result, result, width);
        }

        if (form.BranchFactor != 1)
        {
            RowKernel.Scale(result, form.BranchFactor, width);
        }

        if (form.HasBranchScale)
        {
            RowKernel.Multiply(result, Vector(FfnTensorRole.BranchScale), width);
        }

        RowKernel.AddScaled(result, residual, form.ResidualFactor, width);
        RowKernel.Copy(output, result, width);
        if (_spec.PostNorm is { } post)
        {
            Normalize(post, FfnTensorRole.PostNormWeight, FfnTensorRole.PostNormBias, output, output, width);
        }
    }

    private float* Vector(FfnTensorRole role) => (float*)_places.GetValueOrDefault(role);

    private void Normalize(NormSpec norm, FfnTensorRole weight, FfnTensorRole bias, float* source, float* row, int width) =>
        NormKernel.Apply(norm, Vector(weight), Vector(bias), source, row, width);
}
