using NativeFfn.Checkpoints;

namespace NativeFfn.Cli.Files;

/// <summary>Checks of a path to be written, made before the work whose result it will hold.</summary>
internal static class OutputPath
{
    /// <summary>Refuses a path whose folder does not exist or that is a folder itself.</summary>
    /// <param name="option">The option that gave the path.</param>
    /// <param name="path">The path.</param>
    public static void Require(string option, string path)
    {
        if (path.Length == 0)
        {
            throw new UsageException($"{option} is empty; name a file.");
        }

        string full = Path.GetFullPath(path);
        if (Directory.Exists(full) || Path.EndsInDirectorySeparator(full))
        {
            throw new UsageException($"{option} '{path}' is a folder; name a file in it.");
        }

        string folder = Path.GetDirectoryName(full)!;
        if (!Directory.Exists(folder))
        {
            throw new UsageException($"{option} '{path}' cannot be written: there is no folder '{folder}'. Create it first.");
        }
    }

    /// <summary>Refuses a file that the model is read from, under whatever name.</summary>
    /// <param name="option">The option that gave the path.</param>
    /// <param name="path">The path.</param>
    /// <param name="checkpoint">The model.</param>
    public static void RequireOther(string option, string path, FfnCheckpoint checkpoint)
    {
        if (checkpoint.Files.FirstOrDefault(file => Same(path, file)) is { } file)
        {
            throw new UsageException($"{option} '{path}' is '{file}', a file of the model itself; name another.");
        }
    }

    /// <summary>Whether two paths name the same file.</summary>
    public static bool Same(string first, string second) => ReplacedFile.IsSame(first, second);

    /// <summary>Whether what is written to a path comes out of standard output, where a report would be taken for a part of it.</summary>
    public static bool IsStandardOutput(string path) => ReplacedFile.IsStandardOutput(path);
}
