using System.Text;

namespace NativeFfn.Checkpoints;

/// <summary>What lies where a model's file should be when its download went wrong: a pointer to it, a page about it, a part of it.</summary>
internal static class WrongDownload
{
    /// <summary>Bytes from a file's start that <see cref="Require"/> wants to see.</summary>
    public const int StartBytes = 64;

    private const string Pointer = "version https://git-lfs";

    // Browsers, wget, curl and huggingface_hub; aria2 keeps its own file beside a file of the full length.
    private const string PartBeside = ".aria2";
    private static readonly string[] PartEndings = [".incomplete", ".part", ".partial", ".crdownload", ".download", PartBeside];

    // Where huggingface_hub keeps what it has of a folder's files.
    private const string HubFolder = ".cache/huggingface/download";

    private static readonly (string Start, string What, string Remedy)[] Others =
    [
        ("\u0089HDF", "an HDF5 file", "Convert the model to safetensors"),
        ("PK\u0003\u0004", "a zip archive, as PyTorch writes its weights", "Convert the model to safetensors (save_pretrained does), or unpack it"),
        ("\u001F\u008B", "a file compressed with gzip", "Unpack it"),
        ("<", "a web page", "Download the file itself, not the page that shows it"),
        ("Entry not found", "a server's answer that it has no such file", "Check the address and download it again"),
        ("Invalid username", "a server's answer that it wants a password", "Log in and download it again"),
        ("Access to", "a server's refusal", "Ask for access to the model and download it again"),
        ("{\"error\"", "a server's error", "Download it again"),
    ];

    /// <summary>Refuses a file by its first bytes where they are those of something else that is often taken for it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="start">Its first <see cref="StartBytes"/>, or all that it has.</param>
    /// <exception cref="CheckpointException">It is something else; the message says what, and what to do.</exception>
    public static void Require(string path, ReadOnlySpan<byte> start)
    {
        // The length of a safetensors header, which may look like a text's first letters, and the header's brace behind it.
        if (start.Length > sizeof(ulong) && start[sizeof(ulong)] == (byte)'{' && !start[sizeof(uint)..sizeof(ulong)].ContainsAnyExcept((byte)0))
        {
            return;
        }

        string text = Encoding.Latin1.GetString(start).TrimStart('\u00EF', '\u00BB', '\u00BF', ' ', '\t', '\r', '\n');
        if (text.StartsWith(Pointer, StringComparison.Ordinal))
        {
            throw new CheckpointException(
                $"{path}: is a Git LFS pointer, not the file that it stands for. Run 'git lfs install' and 'git lfs pull' in its folder, or download it.");
        }

        foreach ((string begin, string what, string remedy) in Others)
        {
            if (text.StartsWith(begin, StringComparison.OrdinalIgnoreCase))
            {
                throw new CheckpointException($"{path}: is {what}, not the file that its name promises. {remedy}.");
            }
        }
    }

    /// <summary>Refuses a file whose download is not finished.</summary>
    /// <exception cref="CheckpointException">A part of it is missing, or all of it has another name yet.</exception>
    public static void RequireFinished(string path)
    {
        bool isThere = File.Exists(path);
        if (PartEndings.Where(ending => !isThere || ending == PartBeside).FirstOrDefault(ending => File.Exists(path + ending)) is { } part)
        {
            throw new CheckpointException($"{path}: its download is not finished: {Path.GetFileName(path)}{part} is there. Finish it, or get the file again.");
        }
    }

    /// <summary>A file in a folder whose download is not finished, or null.</summary>
    public static string? FindPart(string folder) => new[] { folder, Path.Combine(folder, HubFolder) }
        .Where(Directory.Exists).SelectMany(Directory.EnumerateFiles).FirstOrDefault(IsPart);

    /// <summary>Whether a path is named as one whose download is not finished.</summary>
    public static bool IsPart(string path) => PartEndings.Any(ending => path.EndsWith(ending, StringComparison.OrdinalIgnoreCase));
}
