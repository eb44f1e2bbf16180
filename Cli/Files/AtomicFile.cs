using System.Text;
using NativeFfn.Checkpoints;

namespace NativeFfn.Cli.Files;

/// <summary>Small text files that appear whole or not at all.</summary>
internal static class AtomicFile
{
    /// <summary>Writes beside the final place, then moves there, over an older file.</summary>
    /// <param name="path">The file; where it is a link, what it leads to. A device or a pipe is written directly.</param>
    /// <param name="content">The text, written as UTF-8.</param>
    public static void WriteText(string path, string content)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(content);
        using var file = new ReplacedFile(path, bytes.Length);
        file.Append(bytes);
        file.Commit();
    }
}
