using NativeFfn.Backends.Cpu.Rows;
using NativeFfn.Backends.Routing;

namespace NativeFfn.Backends.Cpu.Forward;

/// <summary>The end of a forward: experts' results are combined, norms and the residual follow.</summary>
internal static unsafe class ResultRows
{
    /// <summary>Σ w · result [+ bias] + factor · [σ(g · x) ·] shared for one token, added in the order of its experts, best first; then as
    /// <see cref="Finish"/>.</summary>
    public static void Combine(CpuChunk chunk, int token)
    {
        long start = chunk.Now();
        MixtureSpec mixture = chunk.Layer.Spec.Mixture!;
        int width = chunk.Layer.Spec.OutputWidth;
        ReadOnlySpan<int> rows = chunk.Routes.RowsOf(token);
        ReadOnlySpan<float> weights = chunk.Routes.WeightsOf(chunk.FirstToken + token);
        float* sum = chunk.Results.Row(rows[0]);
        AddExperts(chunk, token, rows, weights, sum, width);

        if (mixture.SharedDFf > 0)
        {
            float* gate = chunk.Layer.Vector(FfnTensorRole.SharedGateWeight);
            float open = gate == null ? 1 : Router.Sigmoid(RowKernel.Dot(chunk.NetworkInput.Row(token), gate, width));
            float* shared = chunk.Results.Row((chunk.Tokens * mixture.TopK) + token);
            RowKernel.AddScaled(sum, shared, open * mixture.SharedFactor, width);
        }

        if (mixture.HasOutputBias)
        {
            RowKernel.Add(sum, sum, chunk.Layer.Vector(FfnTensorRole.MixtureBias), width);
        }

        chunk.Add(FfnStep.Routing, start);
        Join(chunk, token, sum);
    }

    // The first row is where the sum grows; an expert that is not here has left its row as it was.
    private static void AddExperts(
        CpuChunk chunk, int token, ReadOnlySpan<int> rows, ReadOnlySpan<float> weights, float* sum, int width)
    {
        MixtureSpec mixture = chunk.Layer.Spec.Mixture!;
        ReadOnlySpan<int> experts = chunk.Routes.ExpertsOf(chunk.FirstToken + token);
        if (!mixture.Owns(experts[0]))
        {
            new Span<float>(sum, width).Clear();
        }
        else if (!mixture.WeighsInput)
        {
            RowKernel.Scale(sum, weights[0], width);
        }

        for (int i = 1; i < rows.Length; i++)
        {
            if (mixture.Owns(experts[i]))
            {
                RowKernel.AddScaled(sum, chunk.Results.Row(rows[i]), mixture.WeighsInput ? 1 : weights[i], width);
            }
        }
    }

    /// <summary>output = post([residual +] branch(result)), for one token, with the norms and factors that there are.</summary>
    public static void Finish(CpuChunk chunk, int token)
    {
        if (chunk.Results.IsNull)
        {
            NormalizeOutput(chunk, token);
        }
        else
        {
            Join(chunk, token, chunk.Results.Row(token));
        }
    }

    private static void Join(CpuChunk chunk, int token, float* result)
    {
        FfnSpec spec = chunk.Layer.Spec;
        int width = spec.OutputWidth;
        Scale(result, spec.OutputFactor, width);
        Normalize(chunk, chunk.BranchNorm, FfnTensorRole.BranchNormWeight, FfnTensorRole.BranchNormBias, result, width);
        long start = chunk.Now();
        Scale(result, chunk.Form.BranchFactor, width);
        if (chunk.Form.HasBranchScale)
        {
            RowKernel.Multiply(result, chunk.Layer.Vector(FfnTensorRole.BranchScale), width);
        }

        if (chunk.Form.ResidualFactor == 1)
        {
            Epilogue.WriteOutput(chunk, token, 0, width, result);
        }
        else
        {
            RowKernel.AddScaled(result, chunk.Residual.Row(token), chunk.Form.ResidualFactor, width);
            RowKernel.Copy(chunk.Output.Row(token), result, width);
        }

        chunk.Add(FfnStep.Residual, start);
        NormalizeOutput(chunk, token);
    }

    private static void NormalizeOutput(CpuChunk chunk, int token) => Normalize(
        chunk, chunk.PostNorm, FfnTensorRole.PostNormWeight, FfnTensorRole.PostNormBias, chunk.Output.Row(token), chunk.Layer.Spec.OutputWidth);

    private static void Scale(float* row, float factor, int width)
    {
        if (factor != 1)
        {
            RowKernel.Scale(row, factor, width);
        }
    }

    private static void Normalize(CpuChunk chunk, NormSpec? norm, FfnTensorRole weight, FfnTensorRole bias, float* row, int width)
    {
        if (norm is not null)
        {
            long start = chunk.Now();
            NormKernel.Apply(norm, chunk.Layer.Vector(weight), chunk.Layer.Vector(bias), row, row, width);
            chunk.Add(FfnStep.Norm, start);
        }
    }
}
