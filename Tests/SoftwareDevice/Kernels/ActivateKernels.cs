using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Software;

/// <summary>
/// activate_operand: hidden values as the next product's operand, padded with zeros; as e4m3 divided by their row's scale.
/// </summary>
internal sealed class ActivateOperandKernel() : SoftwareKernel<ActivationArguments>("activate_operand")
{
    protected override bool Fits(KernelGrid grid) => true;

    protected override void Run(in KernelRun run, in ActivationArguments argument)
    {
        NumberFormat number = run.Precision.Operand;
        for (int token = 0; token < run.Grid.Y; token++)
        {
            float[] hidden = Hidden(run, argument, token);
            float[] padded = PrepareKernel.Scaled(run, hidden, number == NumberFormat.E4M3, argument.PaddedWidth, argument.OutputScales, token);
            run.WriteOwn(number, argument.Output, token * argument.OutputStride, padded);
        }
    }

    internal static float[] Hidden(in KernelRun run, in ActivationArguments argument, int token) =>
        StageRow.Compute(
            run, argument.Product, token * argument.ProductStride, argument.Bias, argument.ChannelScales,
            run.ReadOne(argument.TokenScales, token, 1),
            argument.Width, argument.PaddedWidth, argument.Activation, argument.Gated != 0).Hidden;
}

/// <summary>activate_result: the same as float32, for a last stage that has an activation.</summary>
internal sealed class ActivateResultKernel() : SoftwareKernel<ActivationArguments>("activate_result")
{
    protected override bool Fits(KernelGrid grid) => true;

    protected override void Run(in KernelRun run, in ActivationArguments argument)
    {
        for (int token = 0; token < run.Grid.Y; token++)
        {
            run.Write(NumberFormat.Float32, argument.Output, token * argument.OutputStride, ActivateOperandKernel.Hidden(run, argument, token));
        }
    }
}
