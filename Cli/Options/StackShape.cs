using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace NativeFfn.Cli.Options;

/// <summary>The widths of a stack from its input to its output, written <c>784x256x128x10</c>.</summary>
/// <param name="Widths">Elements; three at least, so that there is a hidden stage.</param>
internal sealed record StackShape(ImmutableArray<int> Widths)
{
    private const int LeastWidths = 3;

    public static bool TryParse(string text, [NotNullWhen(true)] out StackShape? shape)
    {
        string[] words = text.Split('x', 'X');
        int[] widths = new int[words.Length];
        bool isShape = words.Length is >= LeastWidths and <= FfnSpec.MaxStages + 1
            && words.Index().All(word =>
                int.TryParse(word.Item, NumberStyles.None, CultureInfo.InvariantCulture, out widths[word.Index]) && widths[word.Index] > 0);
        shape = isShape ? new StackShape([.. widths]) : null;
        return isShape;
    }

    public override string ToString() => string.Join('x', Widths);
}
