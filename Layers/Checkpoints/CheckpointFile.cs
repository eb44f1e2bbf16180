using Microsoft.Win32.SafeHandles;
using NativeFfn.Backends.Storage;

namespace NativeFfn.Checkpoints;

/// <summary>Opens and reads files that are not trusted; every failure is a <see cref="CheckpointException"/> that names the file.</summary>
internal static class CheckpointFile
{
    /// <summary>Opens a regular file for reading at any place, and tells its length in bytes.</summary>
    public static SafeFileHandle Open(string path, out long length)
    {
        WrongDownload.RequireFinished(path);
        RequireRegular(path);
        SafeFileHandle? handle = null;
        try
        {
            // Not mapped into memory: a mapped file that is cut short while in use kills the process with SIGBUS.
            handle = SystemFile.OpenToRead(path);
            length = RandomAccess.GetLength(handle);
            return handle;
        }
        catch (Exception problem) when (IsFileProblem(problem))
        {
            handle?.Dispose();
            throw Unreadable(path, problem);
        }
    }

    /// <summary>A whole small file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limit">The most bytes that are read; a longer file is refused before memory is asked for.</param>
    /// <param name="what">What such a file is, for the message.</param>
    public static byte[] ReadAll(string path, int limit, string what)
    {
        using SafeFileHandle handle = Open(path, out long length);
        if (length > limit)
        {
            throw new CheckpointException($"{path}: has {length} bytes; {what} may have {limit}. Is it the right file?");
        }

        byte[] bytes = new byte[length];
        ReadExactly(handle, path, bytes, 0);
        return bytes;
    }

    /// <summary>Fills a span from a place in the file, or says that the file has become shorter than it was.</summary>
    public static void ReadExactly(SafeFileHandle handle, string path, Span<byte> destination, long offset)
    {
        try
        {
            while (!destination.IsEmpty)
            {
                int read = RandomAccess.Read(handle, destination, offset);
                if (read == 0)
                {
                    throw new CheckpointException(
                        $"{path}: ends at byte {offset}, {destination.Length} bytes early; it was cut short since it was opened. Get the file again.");
                }

                destination = destination[read..];
                offset += read;
            }
        }
        catch (Exception problem) when (IsFileProblem(problem))
        {
            throw Unreadable(path, problem);
        }
    }

    public static bool IsFileProblem(Exception problem) =>
        problem is (IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException) and not CheckpointException;

    // An empty file is no checkpoint anyway, and pipes and devices look empty: opening a pipe would wait for a writer for ever.
    private static void RequireRegular(string path)
    {
        try
        {
            if (Directory.Exists(path))
            {
                throw new CheckpointException($"{path}: is a directory, not a file. Name a file in it.");
            }

            var file = new FileInfo(path);
            FileSystemInfo target = file.ResolveLinkTarget(returnFinalTarget: true) ?? file;
            if (!target.Exists)
            {
                throw new CheckpointException($"{path}: no such file. Check the path.");
            }

            if (((FileInfo)target).Length == 0)
            {
                throw new CheckpointException($"{path}: is empty or no regular file. Get the file again.");
            }
        }
        catch (Exception problem) when (IsFileProblem(problem))
        {
            throw Unreadable(path, problem);
        }
    }

    /// <summary>What to say of a file that the system does not give.</summary>
    public static CheckpointException Unreadable(string path, Exception problem) => problem switch
    {
        FileNotFoundException or DirectoryNotFoundException => new($"{path}: no such file. Check the path.", problem),
        UnauthorizedAccessException => new($"{path}: may not be read by this user. Give the user read permission.", problem),
        _ => new($"{path}: cannot be read: {problem.Message.ReplaceLineEndings(" ")}", problem),
    };
}
