using System.Text;
using NativeFfn.Checkpoints;

namespace NativeFfn.Cli.Files;

/// <summary>Small files that appear whole or not at all.</summary>
internal static class AtomicFile
{
    /// <summary>Writes beside the final place, then moves there, over an older file.</summary>
    /// <param name="path">The file; where it is a link, what it leads to. A device or a pipe is written directly.</param>
    /// <param name="content">The text, written as UTF-8.</param>
    public static void WriteText(string path, string content) => Write(path, Encoding.UTF8.GetBytes(content));

    /// <summary>Writes bytes in the same way.</summary>
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        using var file = new ReplacedFile(path, content.Length);
        file.Append(content);
        file.Commit();
    }
}
