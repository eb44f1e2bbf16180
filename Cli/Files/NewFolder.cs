namespace NativeFfn.Cli.Files;

/// <summary>A folder to be filled: what was made for it goes away again unless it is kept.</summary>
internal sealed class NewFolder : IDisposable
{
    // Innermost first.
    private readonly List<string> _created = [];
    private readonly string[] _files;
    private bool _kept;

    private NewFolder(string path, string[] files)
    {
        FullPath = path;
        _files = files;
    }

    /// <summary>The folder.</summary>
    public string FullPath { get; }

    /// <summary>Refuses a path where something is already.</summary>
    /// <param name="option">The option that gave the path.</param>
    /// <param name="path">The path.</param>
    public static void Require(string option, string path)
    {
        if (path.Length == 0)
        {
            throw new UsageException($"{option} is empty; name a folder.");
        }

        if (File.Exists(path))
        {
            throw new UsageException($"{option} '{path}' is a file; name a folder that does not exist yet.");
        }

        if (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any())
        {
            throw new UsageException($"{option} '{path}' is not empty; name another folder, or remove what is in it.");
        }
    }

    /// <summary>The nearest folder on the way to a path that exists already.</summary>
    public static string ExistingAncestor(string path)
    {
        string folder = Path.GetFullPath(path);
        while (!Directory.Exists(folder))
        {
            folder = Path.GetDirectoryName(folder)!;
        }

        return folder;
    }

    /// <summary>Makes the folder and those above it.</summary>
    /// <param name="path">The folder, absent or empty.</param>
    /// <param name="files">The names of the files that will be put there.</param>
    public static NewFolder Create(string path, params string[] files)
    {
        var folder = new NewFolder(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)), files);
        for (string missing = folder.FullPath; !Directory.Exists(missing); missing = Path.GetDirectoryName(missing)!)
        {
            folder._created.Add(missing);
        }

        Directory.CreateDirectory(folder.FullPath);
        return folder;
    }

    /// <summary>The path of a file in the folder.</summary>
    public string this[string file] => Path.Combine(FullPath, file);

    /// <summary>Leaves everything where it is.</summary>
    public void Keep() => _kept = true;

    public void Dispose()
    {
        if (_kept)
        {
            return;
        }

        foreach (string file in _files)
        {
            File.Delete(this[file]);
        }

        // Only what is empty: somebody else may have put something there meanwhile.
        foreach (string created in _created)
        {
            if (Directory.Exists(created) && !Directory.EnumerateFileSystemEntries(created).Any())
            {
                Directory.Delete(created);
            }
        }
    }
}
