using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Software;

/// <summary>vector_stage_N: a whole hidden stage, act(W_gate·x + b) ⊙ (W_up·x + b), for up to N tokens.</summary>
internal sealed class VectorStageKernel(int mostTokens) : SoftwareKernel<VectorStageArguments>($"vector_stage_{mostTokens}")
{
    protected override bool Fits(KernelGrid grid) => grid.Y == 1;

    protected override void Run(in KernelRun run, in VectorStageArguments argument)
    {
        bool gated = argument.Gated != 0;
        int rows = gated ? 2 * argument.PaddedWidth : argument.PaddedWidth;
        run.Require(argument.PaddedWidth == KernelRun.Padded(argument.Width), $"width {argument.PaddedWidth} is not {argument.Width}, padded.");
        float[][] products = VectorProducts.Compute(
            run, mostTokens, argument.PaddedWidth, argument.Weights, argument.WeightStride, argument.Vectors, argument.VectorStride,
            argument.Tokens,
            argument.Columns, rows, argument.ChannelScales, argument.Bias);
        for (int token = 0; token < argument.Tokens; token++)
        {
            float[] hidden = new float[argument.PaddedWidth];
            for (int i = 0; i < argument.Width; i++)
            {
                float activated = RowMath.Activate(run, argument.Activation, products[token][i]);
                hidden[i] = gated ? activated * products[token][argument.PaddedWidth + i] : activated;
            }

            run.WriteOwn(run.Precision.Vector, argument.Output, token * argument.OutputStride, hidden);
        }
    }
}

/// <summary>vector_result_N: the last projection, W·x + b + residual, for up to N tokens; the residual may be the output.</summary>
internal sealed class VectorResultKernel(int mostTokens) : SoftwareKernel<VectorResultArguments>($"vector_result_{mostTokens}")
{
    protected override bool Fits(KernelGrid grid) => grid.Y == 1;

    protected override void Run(in KernelRun run, in VectorResultArguments argument)
    {
        // A block reads all of its weight rows, also the padded ones past the width.
        float[][] products = VectorProducts.Compute(
            run, mostTokens, argument.Width, argument.Weights, argument.WeightStride, argument.Vectors, argument.VectorStride,
            argument.Tokens,
            argument.Columns, KernelRun.Padded(argument.Width), argument.ChannelScales, argument.Bias);
        for (int token = 0; token < argument.Tokens; token++)
        {
            float[] row = products[token][..argument.Width];
            if (argument.Residual != 0)
            {
                float[] residual = run.Read(NumberFormat.Float32, argument.Residual, token * argument.ResidualStride, argument.Width);
                for (int i = 0; i < row.Length; i++)
                {
                    row[i] += residual[i];
                }
            }

            run.Write(NumberFormat.Float32, argument.Output, token * argument.OutputStride, row);
        }
    }
}

/// <summary>Products of a few vectors with a matrix.</summary>
internal static class VectorProducts
{
    // Outputs of a block.
    private const int BlockRows = 16;

    /// <summary>[tokens][rows]: W·x · channel scale + bias.</summary>
    public static float[][] Compute(
        in KernelRun run, int mostTokens, int width, nint weights, long weightStride, nint vectors, long vectorStride, int tokens,
        int columns,
        int rows, nint channelScales, nint bias)
    {
        run.Require(run.Grid.X == (width + BlockRows - 1) / BlockRows, $"{run.Grid.X} blocks for {width} outputs.");
        run.Require(tokens > 0 && tokens <= mostTokens, $"{tokens} tokens.");
        run.Require(columns > 0 && columns % KernelRun.Padding == 0, $"{columns} columns are not padded.");
        float[]? scales = run.ReadOptional(channelScales, 0, rows);
        float[]? biases = run.ReadOptional(bias, 0, rows);
        float[][] x = new float[tokens][];
        float[][] products = new float[tokens][];
        for (int token = 0; token < tokens; token++)
        {
            x[token] = run.ReadOwn(run.Precision.Vector, vectors, token * vectorStride, columns);
            products[token] = new float[rows];
        }

        for (int row = 0; row < rows; row++)
        {
            float[] weight = run.ReadOwn(run.Precision.Weight, weights, row * weightStride, columns);
            for (int token = 0; token < tokens; token++)
            {
                float sum = RowMath.Dot(weight, x[token]);
                products[token][row] = (sum * (scales is null ? 1 : scales[row])) + (biases is null ? 0 : biases[row]);
            }
        }

        return products;
    }
}
