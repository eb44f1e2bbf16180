using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Software;

/// <summary>trace_stage: everything between a stage's product and its hidden values, dense.</summary>
internal sealed class TraceKernel() : SoftwareKernel<TraceArguments>("trace_stage")
{
    protected override bool Fits(KernelGrid grid) => true;

    protected override void Run(in KernelRun run, in TraceArguments argument)
    {
        for (int token = 0; token < run.Grid.Y; token++)
        {
            StageRow row = StageRow.Compute(
                run, argument.Product, token * argument.ProductStride, argument.Bias, argument.ChannelScales,
                run.ReadOne(argument.TokenScales, token, 1),
                argument.Width, argument.PaddedWidth, argument.Activation, argument.Gated != 0);
            long first = (long)token * argument.Width;
            run.Write(NumberFormat.Float32, argument.PreActivation, first, row.PreActivation);
            run.Write(NumberFormat.Float32, argument.Activated, first, row.Activated);
            run.Write(NumberFormat.Float32, argument.Hidden, first, row.Hidden);
            if (row.Up is not null)
            {
                run.Write(NumberFormat.Float32, argument.Up, first, row.Up);
            }
        }
    }
}

/// <summary>widen_operand: operands as dense float32, times their tokens' scales where they have them.</summary>
internal sealed class WidenKernel() : SoftwareKernel<WidenArguments>("widen_operand")
{
    protected override bool Fits(KernelGrid grid) => true;

    protected override void Run(in KernelRun run, in WidenArguments argument)
    {
        for (int token = 0; token < run.Grid.Y; token++)
        {
            float[] row = run.ReadOwn(run.Precision.Operand, argument.Operand, token * argument.Stride, argument.Width);
            float scale = run.ReadOne(argument.TokenScales, token, 1);
            for (int i = 0; i < row.Length; i++)
            {
                row[i] *= scale;
            }

            run.Write(NumberFormat.Float32, argument.Output, (long)token * argument.Width, row);
        }
    }
}
