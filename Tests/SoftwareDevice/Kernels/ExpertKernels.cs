using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Software;

/// <summary>gather_rows: each row is its token's row of the input.</summary>
internal sealed class GatherKernel() : SoftwareKernel<GatherArguments>("gather_rows")
{
    protected override bool Fits(KernelGrid grid) => grid.Y == 1;

    protected override void Run(in KernelRun run, in GatherArguments argument)
    {
        int[] tokens = run.ReadIntegers(argument.Tokens, 0, run.Grid.X);
        for (int row = 0; row < tokens.Length; row++)
        {
            run.Write(
                NumberFormat.Float32, argument.Output, row * argument.OutputStride,
                run.Read(NumberFormat.Float32, argument.Input, tokens[row] * argument.InputStride, argument.Width));
        }
    }
}

/// <summary>combine_experts: Σ weight · result in the order of the rows, + shared weight · shared, + residual, which may be the output.</summary>
internal sealed class CombineKernel() : SoftwareKernel<CombineArguments>("combine_experts")
{
    protected override bool Fits(KernelGrid grid) => grid.Y == 1;

    protected override void Run(in KernelRun run, in CombineArguments argument)
    {
        run.Require(argument.TopK > 0, $"top-k {argument.TopK}.");
        for (int token = 0; token < run.Grid.X; token++)
        {
            float[] sum = new float[argument.Width];
            int[] rows = run.ReadIntegers(argument.Places, (long)token * argument.TopK, argument.TopK);
            float[] weights = run.Read(NumberFormat.Float32, argument.Weights, (long)token * argument.TopK, argument.TopK);
            for (int k = 0; k < rows.Length; k++)
            {
                Add(run, argument.Results, rows[k] * argument.ResultStride, weights[k], sum);
            }

            Add(run, argument.Shared, token * argument.SharedStride, run.ReadOne(argument.SharedWeights, token, 1), sum);
            Add(run, argument.Residual, token * argument.ResidualStride, 1, sum);
            run.Write(NumberFormat.Float32, argument.Output, token * argument.OutputStride, sum);
        }
    }

    private static void Add(in KernelRun run, nint rows, long first, float weight, float[] sum)
    {
        if (rows != 0)
        {
            float[] row = run.Read(NumberFormat.Float32, rows, first, sum.Length);
            for (int i = 0; i < sum.Length; i++)
            {
                sum[i] += weight * row[i];
            }
        }
    }
}
