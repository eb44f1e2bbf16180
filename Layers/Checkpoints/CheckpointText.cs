using System.Globalization;
using System.Text;

namespace NativeFfn.Checkpoints;

/// <summary>Puts text that came from a file into messages of one line, however it was meant.</summary>
internal static class CheckpointText
{
    private const int MaxQuotedCharacters = 120;

    public static string Quote(string text)
    {
        var quoted = new StringBuilder("'");
        foreach (char letter in text)
        {
            if (quoted.Length > MaxQuotedCharacters)
            {
                quoted.Append('…');
                break;
            }

            if (char.IsControl(letter) || char.IsSurrogate(letter) || letter is '\u2028' or '\u2029')
            {
                quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)letter:X4}");
            }
            else
            {
                quoted.Append(letter);
            }
        }

        return quoted.Append('\'').ToString();
    }

    public static string Quote(ReadOnlySpan<byte> utf8) => Quote(Encoding.UTF8.GetString(utf8[..Math.Min(utf8.Length, 4 * MaxQuotedCharacters)]));

    public static string Shape(ReadOnlySpan<long> dimensions)
    {
        var text = new StringBuilder("[");
        for (int i = 0; i < dimensions.Length; i++)
        {
            text.Append(i > 0 ? ", " : "").Append(dimensions[i]);
        }

        return text.Append(']').ToString();
    }
}
