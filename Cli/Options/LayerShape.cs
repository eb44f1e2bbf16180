using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace NativeFfn.Cli.Options;

/// <summary>A transformer layer's two widths, written <c>2048x5632</c>.</summary>
/// <param name="DModel">d_model, in elements.</param>
/// <param name="DFf">d_ff, in elements.</param>
internal sealed record LayerShape(int DModel, int DFf)
{
    public static bool TryParse(string text, [NotNullWhen(true)] out LayerShape? shape)
    {
        string[] widths = text.Split('x', 'X');
        if (widths.Length == 2 && TryParseWidth(widths[0], out int dModel) && TryParseWidth(widths[1], out int dFf))
        {
            shape = new LayerShape(dModel, dFf);
            return true;
        }

        shape = null;
        return false;
    }

    public override string ToString() => $"{DModel}x{DFf}";

    private static bool TryParseWidth(string text, out int width) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out width) && width > 0;
}
