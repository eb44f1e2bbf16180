using Microsoft.Win32.SafeHandles;
using NativeFfn.Backends.Storage;

namespace NativeFfn.Checkpoints;

/// <summary>
/// A file written beside its target and moved over it when complete, with the target's owner and permissions. Pipes, devices and what the
/// process was given open are written directly; and a target that has other names, is mounted by itself, or whose folder or owner leaves no
/// other way keeps its place and gets the new contents, as <c>cp</c> does it.
/// </summary>
internal sealed class ReplacedFile : IDisposable
{
    private const int CopiedBytes = 1024 * 1024;

    private readonly string _path;
    private readonly string _target;
    private readonly string? _temporary;
    private readonly SafeFileHandle _file;
    private readonly bool _isMoved;
    private long _length;

    /// <summary>Starts a file of a known length; a disk that has no room for it is found out now where the file system can tell.</summary>
    /// <exception cref="CheckpointException">It cannot be written there; nothing was changed.</exception>
    public ReplacedFile(string path, long length)
    {
        _path = path;
        try
        {
            _target = FullPath(path);
            if (SystemFile.OpenSink(_target) is { } sink)
            {
                _file = sink;
                return;
            }

            // What a link leads to is replaced, not the link; and who may not write a file may not replace it either.
            _target = SystemFile.FullPath(_target);
            bool exists = File.Exists(_target);
            if (exists)
            {
                SystemFile.OpenToWrite(_target, truncates: false).Dispose();
            }

            _temporary = Path.Combine(Path.GetDirectoryName(_target)!, $".nativeffn-{Guid.NewGuid():N}.tmp");
            try
            {
                _file = File.OpenHandle(_temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, FileOptions.None, length);
            }
            catch (UnauthorizedAccessException) when (exists)
            {
                // A folder in which this user may change files and not make any.
                _temporary = null;
                _file = SystemFile.OpenToWrite(_target, truncates: true);
                return;
            }

            _isMoved = SystemFile.TryMakeAlike(_file, _target);
        }
        catch (Exception problem) when (CheckpointFile.IsFileProblem(problem))
        {
            // A failed reservation of space may leave the empty file.
            _file?.Dispose();
            Delete();
            throw Unwritable(problem);
        }
    }

    /// <summary>Whether the file takes no more bytes: it was committed, disposed, or failed.</summary>
    public bool IsClosed => _file.IsClosed;

    /// <summary>Whether a path is written directly, which may wait for a reader, and where there is nothing to remove after a failure.</summary>
    public static bool IsDirect(string path) => SystemFile.IsSink(path);

    /// <summary>Whether what is written to a path comes out of this process's standard output.</summary>
    public static bool IsStandardOutput(string path) => SystemFile.IsStandardOutput(path);

    /// <summary>Lets what libraries print go to standard error, so that standard output has what this process writes to it and nothing else.</summary>
    public static void KeepStandardOutput() => SystemFile.KeepStandardOutput();

    /// <summary>Whether two paths are one file.</summary>
    public static bool IsSame(string first, string second) => SystemFile.IsSame(first, second);

    /// <summary>Writes the next bytes; a failure deletes the temporary file.</summary>
    /// <exception cref="CheckpointException">The disk is full or failed, or nobody reads the pipe any more.</exception>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        try
        {
            SystemFile.Write(_file, bytes, _length);
            _length += bytes.Length;
        }
        catch (Exception problem) when (CheckpointFile.IsFileProblem(problem))
        {
            Dispose();
            throw Unwritable(problem);
        }
    }

    /// <summary>Flushes to disk and brings the file to its place; a failure deletes the temporary file.</summary>
    /// <exception cref="CheckpointException">The disk is full or failed.</exception>
    public void Commit()
    {
        bool isTouched = _temporary is null;
        try
        {
            RandomAccess.FlushToDisk(_file);
            _file.Dispose();
            if (_temporary is not null && !(_isMoved && TryMove(_temporary)))
            {
                isTouched = true;
                Copy(_temporary);
            }
        }
        catch (Exception problem) when (CheckpointFile.IsFileProblem(problem))
        {
            throw isTouched ? CutShort(problem) : Unwritable(problem);
        }
        finally
        {
            _file.Dispose();
            Delete();
        }
    }

    /// <summary>Closes the file and, if it was not committed, deletes it.</summary>
    public void Dispose()
    {
        if (!IsClosed)
        {
            _file.Dispose();
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

    // A file that is a mount of its own cannot be replaced, nor another user's in a folder like /tmp.
    private bool TryMove(string temporary)
    {
        try
        {
            File.Move(temporary, _target, overwrite: true);
            return true;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException && File.Exists(_target))
        {
            return false;
        }
    }

    private void Copy(string temporary)
    {
        using SafeFileHandle source = SystemFile.OpenToRead(temporary);
        using SafeFileHandle target = SystemFile.OpenToWrite(_target, truncates: true);
        byte[] piece = new byte[(int)Math.Min(CopiedBytes, Math.Max(1, _length))];
        long copied = 0;
        while (RandomAccess.Read(source, piece, copied) is > 0 and var count)
        {
            SystemFile.Write(target, piece.AsSpan(0, count), copied);
            copied += count;
        }

        RandomAccess.FlushToDisk(target);
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
        $"{_path}: cannot be written: {Reason(problem)}. Nothing was kept; free space or name another place.", problem);

    private CheckpointException CutShort(Exception problem) => new(
        $"{_path}: could only be written in place, and is not whole: {Reason(problem)}. Free space or name another place.", problem);

    private static string Reason(Exception problem) => problem.Message.ReplaceLineEndings(" ").TrimEnd('.');
}
