using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using NativeFfn.Bindings.Loading;

namespace NativeFfn.Backends.Cpu.Calibration;

/// <summary>What was measured on this machine with this library, kept in the user's cache: for each shape of a projection, a token count.</summary>
/// <remarks>
/// A line is <c>input-width width tokens</c>. The file is a convenience: one that cannot be read, written or understood is as good as none.
/// </remarks>
internal sealed class SwitchPointFile
{
    // A bound on what is read; more shapes than a machine ever sees.
    private const int MaxLines = 10_000;

    private readonly string _path;
    private readonly string _key;

    /// <summary>The file of a machine and a library.</summary>
    /// <param name="key">What the measurements depend on: processor, library version, vector width.</param>
    public SwitchPointFile(string key)
    {
        _key = key.ReplaceLineEndings(" ");
        string name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(_key)).AsSpan(0, 8));
        _path = Path.Combine(UserCache.Folder, "switch-points", name + ".txt");
    }

    /// <summary>The token count kept for a shape, or null.</summary>
    public int? Read(int inputWidth, int width)
    {
        try
        {
            string[] lines = [.. File.ReadLines(_path).Take(MaxLines)];
            if (lines.Length == 0 || lines[0] != "# " + _key)
            {
                return null;
            }

            foreach (string line in lines)
            {
                string[] fields = line.Split(' ');
                if (fields.Length == 3
                    && Parse(fields[0]) == inputWidth && Parse(fields[1]) == width && Parse(fields[2]) is { } tokens)
                {
                    return tokens;
                }
            }
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        return null;
    }

    /// <summary>Keeps a token count for a shape, if the cache can be written.</summary>
    public void Add(int inputWidth, int width, int tokens)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
            string line = string.Create(CultureInfo.InvariantCulture, $"{inputWidth} {width} {tokens}\n");

            // One short write at the end of the file is whole or not there, also beside another process that does the same.
            File.AppendAllText(_path, File.Exists(_path) ? line : $"# {_key}\n{line}");
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            // Measured again next time.
        }
    }

    private static int? Parse(string field) =>
        int.TryParse(field, NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : null;
}
