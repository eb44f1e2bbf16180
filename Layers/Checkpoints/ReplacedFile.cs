namespace NativeFfn.Checkpoints;

/// <summary>A file written beside its target and moved over it when complete; devices and pipes are written directly.</summary>
internal sealed class ReplacedFile : IDisposable
{
    private readonly string _path;
    private readonly string _target;
    private readonly string? _temporary;
    private readonly FileStream _stream;

    /// <summary>Starts a file of a known length; a disk that has no room for it is found out now where the file system can tell.</summary>
    public ReplacedFile(string path, long length)
    {
        _path = path;
        try
        {
            _target = FullPath(path);
            if (OpenDirectly(_target) is { } device)
            {
                _stream = device;
                return;
            }

            // What a link leads to is replaced, not the link.
            var file = new FileInfo(_target);
            _target = file.LinkTarget is null ? _target : file.ResolveLinkTarget(returnFinalTarget: true)!.FullName;
            _temporary = Path.Combine(Path.GetDirectoryName(_target)!, $".nativeffn-{Guid.NewGuid():N}.tmp");
            _stream = new FileStream(_temporary, new FileStreamOptions
            {
                Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 0, PreallocationSize = length,
            });
        }
        catch (Exception problem) when (CheckpointFile.IsFileProblem(problem))
        {
            // A failed reservation of space may leave the empty file.
            Delete();
            throw Unwritable(problem);
        }
    }

    /// <summary>Whether the file takes no more bytes: it was committed, disposed, or failed.</summary>
    public bool IsClosed => !_stream.CanWrite;

    /// <summary>Writes the next bytes; a failure deletes the temporary file.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        try
        {
            _stream.Write(bytes);
        }
        catch (Exception problem) when (CheckpointFile.IsFileProblem(problem))
        {
            Dispose();
            throw Unwritable(problem);
        }
    }

    /// <summary>Flushes to disk and moves the file to its place; a failure deletes the temporary file.</summary>
    public void Commit()
    {
        try
        {
            _stream.Flush(flushToDisk: true);
            _stream.Dispose();
            if (_temporary is not null)
            {
                File.Move(_temporary, _target, overwrite: true);
            }
        }
        catch (Exception problem) when (CheckpointFile.IsFileProblem(problem))
        {
            _stream.Dispose();
            Delete();
            throw Unwritable(problem);
        }
    }

    /// <summary>Closes the file and, if it was not committed, deletes it.</summary>
    public void Dispose()
    {
        if (!IsClosed)
        {
            _stream.Dispose();
            Delete();
        }
    }

    private static string FullPath(string path)
    {
        if (Directory.Exists(path))
        {
            throw new CheckpointException($"{path}: is a directory. Name a file to write.");
        }

        string full = Path.GetFullPath(path);
        string folder = Path.GetDirectoryName(full) ?? full;
        return Directory.Exists(folder)
            ? full
            : throw new CheckpointException($"{path}: the folder {folder} does not exist. Create it or name another.");
    }

    // Devices and pipes look like empty files; what tells them apart is that they cannot be cut to a length, not even to their own.
    private static FileStream? OpenDirectly(string target)
    {
        if (!File.Exists(target))
        {
            return null;
        }

        FileStream stream;
        try
        {
            stream = new FileStream(target, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        }
        catch (FileNotFoundException)
        {
            // A link to a file that does not exist yet.
            return null;
        }

        try
        {
            stream.SetLength(stream.Length);
        }
        catch (Exception refusal) when (refusal is IOException or NotSupportedException)
        {
            return stream;
        }

        stream.Dispose();
        return null;
    }

    private void Delete()
    {
        if (_temporary is null)
        {
            return;
        }

        try
        {
            File.Delete(_temporary);
        }
        catch (Exception problem) when (CheckpointFile.IsFileProblem(problem))
        {
            // The failure that led here says more than this one.
        }
    }

    private CheckpointException Unwritable(Exception problem) => new(
        $"{_path}: cannot be written: {problem.Message.ReplaceLineEndings(" ").TrimEnd('.')}. Nothing was kept; free space or name another place.", problem);
}
