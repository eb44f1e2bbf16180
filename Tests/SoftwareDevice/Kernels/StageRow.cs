using NativeFfn.Backends.CuBlas.Kernels;

namespace NativeFfn.Tests.Software;

/// <summary>What becomes of one row of a stage's product, [gate | up], each padded.</summary>
internal readonly struct StageRow
{
    private StageRow(float[] preActivation, float[] activated, float[]? up, float[] hidden) =>
        (PreActivation, Activated, Up, Hidden) = (preActivation, activated, up, hidden);

    public float[] PreActivation { get; }

    public float[] Activated { get; }

    /// <summary>Null where the stage is not gated.</summary>
    public float[]? Up { get; }

    public float[] Hidden { get; }

    /// <summary>Reads the whole padded row and computes its first <paramref name="width"/> columns.</summary>
    public static StageRow Compute(
        in KernelRun run, nint product, long first, nint bias, nint channelScales, float tokenScale, int width, int paddedWidth,
        KindArguments kind)
    {
        run.Require(paddedWidth >= width && paddedWidth % KernelRun.Padding == 0, $"padded width {paddedWidth}.");
        float[] pre = Part(run, product, first, bias, channelScales, tokenScale, 0, width, paddedWidth);
        float[]? up = kind.Gated != 0 ? Part(run, product, first, bias, channelScales, tokenScale, paddedWidth, width, paddedWidth) : null;
        float[] activated = new float[width];
        float[] hidden = new float[width];
        for (int i = 0; i < width; i++)
        {
            activated[i] = RowMath.Activate(run, kind, pre[i]);
            hidden[i] = up is null ? activated[i] : RowMath.Gate(kind, activated[i], up[i]);
        }

        return new StageRow(pre, activated, up, hidden);
    }

    private static float[] Part(
        in KernelRun run, nint product, long first, nint bias, nint channelScales, float tokenScale, int offset, int width, int paddedWidth)
    {
        float[] values = run.ReadOwn(run.Precision.Product, product, first + offset, paddedWidth);
        float[]? biases = run.ReadOptional(bias, offset, paddedWidth);
        float[]? scales = run.ReadOptional(channelScales, offset, paddedWidth);
        for (int i = 0; i < width; i++)
        {
            values[i] = (values[i] * (scales is null ? 1 : scales[i]) * tokenScale) + (biases is null ? 0 : biases[i]);
        }

        return values[..width];
    }
}
