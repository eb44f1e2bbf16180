using NativeFfn.Backends;

namespace NativeFfn;

/// <summary>Proves that a forward's rows on a device fit the layer and one another; that they are the device's is proven by the backend.</summary>
internal static class DeviceRowsGuard
{
    public static void Check(FfnSpec spec, in DeviceForwardRows rows)
    {
        int tokens = rows.Input.Tokens;
        CheckRows("input", rows.Input, spec.InputWidth, tokens);
        CheckRows("output", rows.Output, spec.OutputWidth, tokens);
        FfnRowsGuard.CheckMode(spec, rows.Mode);
        CheckOverlap(spec, "input", rows.Input, spec.InputWidth, rows.Output, mayBeSame: spec.Stages.Length > 1);
        if (rows.Mode == FfnMode.Residual)
        {
            CheckRows("residual", rows.Residual, spec.OutputWidth, tokens);
            CheckOverlap(spec, "residual", rows.Residual, spec.OutputWidth, rows.Output, mayBeSame: true);
        }
    }

    private static void CheckRows(string name, FfnDeviceRows rows, int width, int tokens)
    {
        if (rows.Tokens != tokens || tokens < 0)
        {
            throw new ArgumentException($"{name} has {rows.Tokens} rows, but input has {tokens}; neither may be negative.", name);
        }

        if (tokens == 0)
        {
            return;
        }

        if (rows.Address == 0 || rows.Address % sizeof(float) != 0)
        {
            throw new ArgumentException($"{name} is at 0x{rows.Address:x}, which is no address of floats.", name);
        }

        // Beyond what any device has; and no sum of lengths passes 64 bits.
        if (rows.Stride < width || rows.Stride > long.MaxValue / sizeof(float) / int.MaxValue)
        {
            throw new ArgumentException($"{name} has rows {rows.Stride} elements apart; this layer's are {width} wide.", name);
        }
    }

    private static void CheckOverlap(FfnSpec spec, string name, FfnDeviceRows read, int width, FfnDeviceRows output, bool mayBeSame)
    {
        if (read.Tokens == 0 || !Overlaps(read, width, output, spec.OutputWidth))
        {
            return;
        }

        bool isSame = read.Address == output.Address && width == spec.OutputWidth && (read.Stride == output.Stride || read.Tokens == 1);
        if (!isSame || !mayBeSame)
        {
            throw new ArgumentException(
                $"output overlaps {name}. It may be exactly the same rows{(mayBeSame ? string.Empty : " only where a layer has a hidden stage")}, or memory apart from them.",
                nameof(output));
        }
    }

    private static bool Overlaps(FfnDeviceRows left, int leftWidth, FfnDeviceRows right, int rightWidth) =>
        left.Address < End(right, rightWidth) && right.Address < End(left, leftWidth);

    private static long End(FfnDeviceRows rows, int width) =>
        checked(rows.Address + (((((long)rows.Tokens - 1) * rows.Stride) + width) * sizeof(float)));
}
