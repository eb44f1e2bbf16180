using System.Text;
using System.Text.RegularExpressions;

namespace NativeFfn.Checkpoints;

/// <summary>The cache of the Hugging Face hub: a folder a model, with snapshots of it whose files are links to blobs.</summary>
internal static partial class HubCache
{
    // A commit is 40 hexadecimal digits; more is no commit.
    private const int MaxCommitBytes = 100;

    private const string FolderPrefix = "models--";

    /// <summary>The snapshot that the main branch of a cached model points to; any other path stays what it is.</summary>
    /// <param name="path">A path, such as <c>models--org--name</c>.</param>
    /// <exception cref="CheckpointException">The folder is a model of the cache, but its snapshot is not there.</exception>
    public static string Resolve(string path)
    {
        string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        if (!name.StartsWith(FolderPrefix, StringComparison.Ordinal) || !Directory.Exists(path))
        {
            return path;
        }

        string reference = Path.Combine(path, "refs", "main");
        string[] snapshots = Folders(Path.Combine(path, "snapshots"));
        if (!File.Exists(reference))
        {
            return snapshots is [string only]
                ? only
                : throw new CheckpointException(
                    $"{path}: has no refs/main, and {snapshots.Length} snapshots. Download the model again, or name a folder of snapshots/.");
        }

        string commit = Encoding.UTF8.GetString(CheckpointFile.ReadAll(reference, MaxCommitBytes, "a reference to a commit")).Trim();
        if (!Commit().IsMatch(commit))
        {
            throw new CheckpointException($"{reference}: is {CheckpointText.Quote(commit)} and no commit. Download the model again.");
        }

        string snapshot = Path.Combine(path, "snapshots", commit);
        return Directory.Exists(snapshot)
            ? snapshot
            : throw new CheckpointException(
                $"{path}: refs/main names the snapshot {commit}, which is not there. Download the model again, or name a folder of snapshots/.");
    }

    private static string[] Folders(string path)
    {
        try
        {
            return Directory.Exists(path) ? Directory.GetDirectories(path) : [];
        }
        catch (Exception problem) when (CheckpointFile.IsFileProblem(problem))
        {
            throw new CheckpointException($"{path}: cannot be listed: {problem.Message.ReplaceLineEndings(" ")}", problem);
        }
    }

    [GeneratedRegex("^[0-9a-f]{7,64}$")]
    private static partial Regex Commit();
}
