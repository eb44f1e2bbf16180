using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Software;

/// <summary>
/// prepare_operand, prepare_vector, prepare_rows: a token's row, normed, rounded and padded with zeros; as an e4m3 operand divided by its scale.
/// </summary>
internal sealed class PrepareKernel(string name, Func<ModulePrecision, NumberFormat> numberOf) : SoftwareKernel<InputArguments>(name)
{
    protected override bool Fits(KernelGrid grid) => grid.Y == 1;

    protected override void Run(in KernelRun run, in InputArguments argument)
    {
        NumberFormat number = numberOf(run.Precision);
        bool isScaled = number == NumberFormat.E4M3;
        run.Require(
            argument.PaddedWidth >= argument.Width && argument.PaddedWidth % KernelRun.Padding == 0,
            $"padded width {argument.PaddedWidth}.");
        for (int token = 0; token < run.Grid.X; token++)
        {
            float[] row = run.Read(NumberFormat.Float32, argument.Input, token * argument.InputStride, argument.Width);
            RowMath.Norm(run, argument.Norm, row);
            run.WriteOwn(
                number, argument.Output, token * argument.OutputStride,
                Scaled(run, row, isScaled, argument.PaddedWidth, argument.TokenScales, token));
        }
    }

    /// <summary>A row padded with zeros, divided by its scale where it has one; the scale is stored.</summary>
    internal static float[] Scaled(in KernelRun run, float[] row, bool isScaled, int paddedWidth, nint scales, int token)
    {
        float[] padded = new float[paddedWidth];
        float scale = isScaled ? RowMath.Scale(row) : 1;
        for (int i = 0; i < row.Length; i++)
        {
            padded[i] = row[i] / scale;
        }

        if (isScaled)
        {
            run.Write(NumberFormat.Float32, scales, token, [scale]);
        }

        return padded;
    }
}
