using NativeFfn.Checkpoints;

namespace NativeFfn.Comparison.Reporting;

/// <summary>Files that appear whole or not at all.</summary>
internal static class OutputFiles
{
    /// <summary>Refuses a path whose folder does not exist, before the work whose result it will hold.</summary>
    /// <exception cref="ArgumentException">The path cannot be written.</exception>
    public static void Require(string option, string? path)
    {
        if (path is null)
        {
            return;
        }

        if (path.Length == 0 || Directory.Exists(path) || !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(path))))
        {
            throw new ArgumentException($"{option} '{path}' cannot be written: name a file in a folder that exists.");
        }
    }

    /// <summary>Puts a word between the name and its extension.</summary>
    public static string WithSuffix(string path, string suffix) =>
        Path.Combine(Path.GetDirectoryName(path) ?? string.Empty, $"{Path.GetFileNameWithoutExtension(path)}-{suffix}{Path.GetExtension(path)}");

    /// <summary>Writes beside the final place, then moves there, over an older file.</summary>
    public static void Write(string path, byte[] content)
    {
        using var file = new ReplacedFile(path, content.Length);
        file.Append(content);
        file.Commit();
    }
}
