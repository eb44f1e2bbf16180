using System.Security.Cryptography;
using System.Text;
using NativeFfn.Bindings.Loading;

namespace NativeFfn.Backends.Storage;

/// <summary>What was measured on this machine, kept in the user's cache: a value for each name.</summary>
/// <remarks>
/// A line is the name, a space and the value; the last line of a name counts. The file is a convenience: one that cannot be read, written
/// or understood is as good as none, and whoever reads a value checks it, as anybody may have written it.
/// </remarks>
internal sealed class MeasurementFile
{
    // A bound on what is read; more shapes than a machine ever sees.
    private const int MaxLines = 10_000;

    private readonly string _path;
    private readonly string _key;

    /// <summary>The file of one kind of measurement on one machine.</summary>
    /// <param name="folder">The kind, a folder of the cache.</param>
    /// <param name="key">What the measurements depend on: processor or device, library versions.</param>
    public MeasurementFile(string folder, string key)
    {
        _key = key.ReplaceLineEndings(" ");
        string name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(_key)).AsSpan(0, 8));
        _path = Path.Combine(UserCache.Folder, folder, name + ".txt");
    }

    /// <summary>The value kept for a name, or null.</summary>
    public string? Read(string name)
    {
        try
        {
            string[] lines = [.. File.ReadLines(_path).Take(MaxLines)];
            if (lines.Length == 0 || lines[0] != "# " + _key)
            {
                return null;
            }

            string start = name + " ";
            string? line = lines.LastOrDefault(line => line.StartsWith(start, StringComparison.Ordinal) && !line.AsSpan(start.Length).Contains(' '));
            return line?[start.Length..];
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Keeps a value for a name, if the cache can be written.</summary>
    /// <param name="name">The name; neither it nor the value has line ends.</param>
    /// <param name="value">The value, without spaces.</param>
    public void Add(string name, string value)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_path)!);

            // One short write at the end of the file is whole or not there, also beside another process that does the same.
            File.AppendAllText(_path, File.Exists(_path) ? $"{name} {value}\n" : $"# {_key}\n{name} {value}\n");
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            // Measured again next time.
        }
    }
}
