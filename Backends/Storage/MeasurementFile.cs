using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using NativeFfn.Bindings.Loading;

namespace NativeFfn.Backends.Storage;

/// <summary>What was measured on this machine, kept in the user's cache: a value for each name.</summary>
/// <remarks>
/// <para>
/// A line is the name, a space and the value; the last line of a name counts. The file is a convenience: one that cannot be read, written
/// or understood is as good as none, and whoever reads a value checks it, as anybody may have written it. It is read once, when it is first
/// asked.
/// </para>
/// <para>Safe for use by several threads at once.</para>
/// </remarks>
internal sealed class MeasurementFile
{
    // A bound on what is read and kept; more shapes than a machine ever sees.
    private const int MaxLines = 10_000;

    private readonly string? _path;
    private readonly string _heading;
    private readonly Lazy<ConcurrentDictionary<string, string>> _values;
    private volatile bool _isSound;

    /// <summary>The file of one kind of measurement on one machine.</summary>
    /// <param name="folder">The kind, a folder of the cache.</param>
    /// <param name="key">What the measurements depend on: processor or device, library versions.</param>
    public MeasurementFile(string folder, string key)
    {
        key = key.ReplaceLineEndings(" ");
        _heading = "# " + key;
        string name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)).AsSpan(0, 8));
        _path = UserCache.File(folder, name + ".txt");
        _values = new(Load);
    }

    /// <summary>The value kept for a name, or null.</summary>
    public string? Read(string name) => _values.Value.GetValueOrDefault(name);

    /// <summary>Keeps a value for a name: in the file, if the cache can be written, and here.</summary>
    /// <param name="name">The name; neither it nor the value has line ends.</param>
    /// <param name="value">The value, without spaces.</param>
    public void Add(string name, string value)
    {
        if (_values.Value.Count >= MaxLines)
        {
            return;
        }

        _values.Value[name] = value;
        if (_path is null)
        {
            return;
        }

        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
            if (_isSound)
            {
                // One short write at the end of the file is whole or not there, also beside another process that does the same.
                File.AppendAllText(_path, $"{name} {value}\n");
            }
            else
            {
                Rewrite(_path);
            }
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            // Measured again by the next process.
        }
    }

    private ConcurrentDictionary<string, string> Load()
    {
        var values = new ConcurrentDictionary<string, string>();
        try
        {
            int lines = 0;
            foreach (string line in _path is not null && FileOwnership.IsReadable(_path) ? File.ReadLines(_path) : [])
            {
                if (lines++ == 0)
                {
                    _isSound = line == _heading;
                }
                else if (line.LastIndexOf(' ') is > 0 and var end)
                {
                    values[line[..end]] = line[(end + 1)..];
                }

                // What is not understood, or too long, is written anew with the next value.
                if (!_isSound || lines >= MaxLines)
                {
                    _isSound = false;
                    break;
                }
            }
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            // As good as none.
        }

        return values;
    }

    // Whole or not at all.
    private void Rewrite(string path)
    {
        string partial = $"{path}.{Guid.NewGuid():N}";
        try
        {
            File.WriteAllLines(partial, [_heading, .. _values.Value.Select(static entry => $"{entry.Key} {entry.Value}")]);
            File.Move(partial, path, overwrite: true);
            _isSound = true;
        }
        finally
        {
            File.Delete(partial);
        }
    }
}
