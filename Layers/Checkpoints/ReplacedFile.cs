using Microsoft.Win32.SafeHandles;

namespace NativeFfn.Checkpoints;

/// <summary>A file written beside its target and moved over it when complete; devices and pipes are written directly.</summary>
internal sealed class ReplacedFile : IDisposable
{
    private readonly string _path;
    private readonly string _target;
    private readonly string? _temporary;
    private readonly SafeFileHandle _handle;
    private long _position;

    /// <summary>Starts a file of a known length; a disk that has no room for it is found out now where the file system can tell.</summary>
    public ReplacedFile(string path, long length)
    {
        _path = path;
        try
        {
            _target = Resolve(path);
            if (OpenDirectly(_target) is { } device)
            {
                _handle = device;
                return;
            }

            string folder = Path.GetDirectoryName(_target)!;
            _temporary = Path.Combine(folder, $".nativeffn-{Guid.NewGuid():N}.tmp");
            _handle = File.OpenHandle(_temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, FileOptions.None, length);
        }
        catch (Exception problem) when (CheckpointFile.IsFileProblem(problem))
        {
            // A failed reservation of space may leave the empty file.
            Delete();
            throw Unwritable(problem);
        }
    }

    /// <summary>Whether the file takes no more bytes: it was committed, disposed, or failed.</summary>
    public bool IsClosed => _handle.IsClosed;

    /// <summary>Writes the next bytes; a failure deletes the temporary file.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        try
        {
            RandomAccess.Write(_handle, bytes, _position);
            _position += bytes.Length;
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
            RandomAccess.FlushToDisk(_handle);
            _handle.Dispose();
            if (_temporary is not null)
            {
                File.Move(_temporary, _target, overwrite: true);
            }
        }
        catch (Exception problem) when (CheckpointFile.IsFileProblem(problem))
        {
            _handle.Dispose();
            Delete();
            throw Unwritable(problem);
        }
    }

    /// <summary>Closes the file and, if it was not committed, deletes it.</summary>
    public void Dispose()
    {
        if (!_handle.IsClosed)
        {
            _handle.Dispose();
            Delete();
        }
    }

    // A link's target is what is replaced, not the link.
    private static string Resolve(string path)
    {
        if (Directory.Exists(path))
        {
            throw new CheckpointException($"{path}: is a directory. Name a file to write.");
        }

        string full = Path.GetFullPath(path);
        string folder = Path.GetDirectoryName(full) ?? full;
        if (!Directory.Exists(folder))
        {
            throw new CheckpointException($"{path}: the folder {folder} does not exist. Create it or name another.");
        }

        var file = new FileInfo(full);
        if (file.LinkTarget is null || file.ResolveLinkTarget(returnFinalTarget: true) is not { } target)
        {
            return full;
        }

        // A link such as /dev/stdout may lead to a pipe, which has no name of its own.
        return target.Exists || !File.Exists(full) ? target.FullName : full;
    }

    // Devices and pipes look like empty files; what tells them apart is that they cannot be cut to a length.
    private static SafeFileHandle? OpenDirectly(string target)
    {
        var file = new FileInfo(target);
        if (!file.Exists || (file.Length > 0 && file.LinkTarget is null))
        {
            return null;
        }

        SafeFileHandle handle = File.OpenHandle(target, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        try
        {
            RandomAccess.SetLength(handle, 0);
        }
        catch (Exception problem) when (problem is IOException or NotSupportedException)
        {
            return handle;
        }

        handle.Dispose();
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
