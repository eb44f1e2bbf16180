using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Software;

/// <summary>finish: post(residual + branch(product · scales + bias)). Product, residual and output may be the same rows.</summary>
internal sealed class FinishKernel() : SoftwareKernel<FinishArguments>("finish")
{
    protected override bool Fits(KernelGrid grid) => grid.Y == 1;

    protected override void Run(in KernelRun run, in FinishArguments argument)
    {
        int padded = KernelRun.Padded(argument.Width);
        float[]? bias = run.ReadOptional(argument.Bias, 0, padded);
        float[]? scales = run.ReadOptional(argument.ChannelScales, 0, padded);
        for (int token = 0; token < run.Grid.X; token++)
        {
            float[] row = run.Read(NumberFormat.Float32, argument.Product, token * argument.ProductStride, argument.Width);
            float tokenScale = run.ReadOne(argument.TokenScales, token, 1);
            for (int i = 0; i < row.Length; i++)
            {
                row[i] = (row[i] * (scales is null ? 1 : scales[i]) * tokenScale) + (bias is null ? 0 : bias[i]);
            }

            RowMath.Norm(run, argument.Branch, row);
            if (argument.Residual != 0)
            {
                float[] residual = run.Read(NumberFormat.Float32, argument.Residual, token * argument.ResidualStride, argument.Width);
                for (int i = 0; i < row.Length; i++)
                {
                    row[i] += residual[i];
                }
            }

            RowMath.Norm(run, argument.Post, row);
            run.Write(NumberFormat.Float32, argument.Output, token * argument.OutputStride, row);
        }
    }
}
