using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Cpu.Rows;

namespace NativeFfn.Backends.Parallel;

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

    /// <summary>Writes a token's row as the network reads it.</summary>
    public void Prepare(FfnMode mode, float* input, float* row)
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

    /// <summary>Writes a token's output.</summary>
    /// <param name="mode">What is computed.</param>
    /// <param name="result">The network's result; is computed on.</param>
    /// <param name="residual">What is added, where the mode says so.</param>
    /// <param name="prepared">The row as the network read it.</param>
    /// <param name="output">The output; may be the residual.</param>
    public void Finish(FfnMode mode, float* result, float* residual, float* prepared, float* output)
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

    /// <inheritdoc/>
    public void Dispose() => _vectors.Dispose();

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
