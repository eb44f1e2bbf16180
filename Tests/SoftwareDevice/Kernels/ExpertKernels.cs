namespace NativeFfn.Tests.Software;

/// <summary>gather_rows: each row is its token's row of the input.</summary>
internal sealed class GatherKernel() : SoftwareKernel<GatherArgument>("gather_rows")
{
    protected override bool Fits(KernelGrid grid) => grid.Y == 1;

    protected override void Run(in KernelRun run, in GatherArgument argument)
    {
        int[] tokens = run.ReadIntegers(argument.Tokens, 0, run.Grid.X);
        for (int row = 0; row < tokens.Length; row++)
        {
            run.Write(
                Number.F32, argument.Output, row * argument.OutputStride,
                run.Read(Number.F32, argument.Input, tokens[row] * argument.InputStride, argument.Width));
        }
    }
}

/// <summary>combine_experts: Σ weight · result in the order of the places, + shared weight · shared, + residual, which may be the output.</summary>
internal sealed class CombineKernel() : SoftwareKernel<CombineArgument>("combine_experts")
{
    protected override bool Fits(KernelGrid grid) => grid.Y == 1;

    protected override void Run(in KernelRun run, in CombineArgument argument)
    {
        run.Require(argument.TopK > 0, $"top-k {argument.TopK}.");
        for (int token = 0; token < run.Grid.X; token++)
        {
            float[] sum = new float[argument.Width];
            int[] places = run.ReadIntegers(argument.Places, (long)token * argument.TopK, argument.TopK);
            float[] weights = run.Read(Number.F32, argument.Weights, (long)token * argument.TopK, argument.TopK);
            for (int k = 0; k < places.Length; k++)
            {
                Add(run, argument.Results, places[k] * argument.ResultStride, weights[k], sum);
            }

            Add(run, argument.Shared, token * argument.SharedStride, run.ReadOne(argument.SharedWeights, token, 1), sum);
            Add(run, argument.Residual, token * argument.ResidualStride, 1, sum);
            run.Write(Number.F32, argument.Output, token * argument.OutputStride, sum);
        }
    }

    private static void Add(in KernelRun run, nint rows, long first, float weight, float[] sum)
    {
        if (rows != 0)
        {
            float[] row = run.Read(Number.F32, rows, first, sum.Length);
            for (int i = 0; i < sum.Length; i++)
            {
                sum[i] += weight * row[i];
            }
        }
    }
}
