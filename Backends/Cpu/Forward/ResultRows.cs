using NativeFfn.Backends.Cpu.Rows;
using NativeFfn.Backends.Routing;

namespace NativeFfn.Backends.Cpu.Forward;

/// <summary>The end of a forward: experts' results are combined, norms and the residual follow.</summary>
internal static unsafe class ResultRows
{
    /// <summary>output = [residual +] Σ w · result + [σ(g · x) ·] shared, for one token, added in the order of its experts, best first.</summary>
    public static void Combine(CpuChunk chunk, int token)
    {
        MixtureSpec mixture = chunk.Layer.Spec.Mixture!;
        int width = chunk.Layer.Spec.OutputWidth;
        ReadOnlySpan<int> rows = chunk.Routes.RowsOf(token);
        ReadOnlySpan<float> weights = chunk.Routes.WeightsOf(chunk.FirstToken + token);
        float* sum = chunk.Results.Row(rows[0]);
        RowKernel.Scale(sum, weights[0], width);
        for (int i = 1; i < rows.Length; i++)
        {
            RowKernel.AddScaled(sum, chunk.Results.Row(rows[i]), weights[i], width);
        }

        if (mixture.SharedDFf > 0)
        {
            float* gate = chunk.Layer.Vector(FfnTensorRole.SharedGateWeight);
            float open = gate == null ? 1 : Router.Sigmoid(RowKernel.Dot(chunk.NetworkInput.Row(token), gate, width));
            RowKernel.AddScaled(sum, chunk.Results.Row((chunk.Tokens * mixture.TopK) + token), open, width);
        }

        Epilogue.WriteOutput(chunk, token, 0, width, sum);
    }

    /// <summary>output = post([residual +] branch(result)), for one token, with the norms that there are.</summary>
    public static void Finish(CpuChunk chunk, int token)
    {
        int width = chunk.Layer.Spec.OutputWidth;
        float* output = chunk.Output.Row(token);
        if (!chunk.Results.IsNull)
        {
            float* branch = chunk.Results.Row(token);
            Normalize(chunk, chunk.BranchNorm, FfnTensorRole.BranchNormWeight, FfnTensorRole.BranchNormBias, branch, width);
            long start = chunk.Now();
            Epilogue.WriteOutput(chunk, token, 0, width, branch);
            chunk.Add(FfnStep.Residual, start);
        }

        Normalize(chunk, chunk.PostNorm, FfnTensorRole.PostNormWeight, FfnTensorRole.PostNormBias, output, width);
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
