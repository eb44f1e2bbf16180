using Microsoft.Win32.SafeHandles;
using NativeFfn.Bindings.Files;
using NativeFfn.Bindings.Loading;

namespace NativeFfn.Backends.Storage;

/// <summary>Files as the system has them: without locks, pipes and devices told from files with contents, and one file under two names known as one.</summary>
internal static class SystemFile
{
    /// <summary>Opens a file for reading at any place, whatever others have locked.</summary>
    public static SafeFileHandle OpenToRead(string path) => OperatingSystem.IsLinux()
        ? UnixFile.OpenToRead(path, waits: false)
        : File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);

    /// <summary>Opens a pipe or a device for reading from start to end; waits for whoever writes it.</summary>
    public static SafeFileHandle OpenStream(string path) =>
        Inherited(path) ?? (OperatingSystem.IsLinux() ? UnixFile.OpenToRead(path, waits: true) : OpenToRead(path));

    /// <summary>Opens what a path such as <c>/dev/stdout</c> stands for, a pipe or a device for writing, waiting for its reader; null for a file with contents.</summary>
    public static SafeFileHandle? OpenSink(string path) => Inherited(path) ?? (IsPipe(path) ? OpenToWrite(path, truncates: false) : null);

    /// <summary>Opens a file that exists for writing from its start.</summary>
    /// <param name="path">The file.</param>
    /// <param name="truncates">Whether what it holds goes.</param>
    public static SafeFileHandle OpenToWrite(string path, bool truncates) => OperatingSystem.IsLinux()
        ? UnixFile.OpenToWrite(path, truncates)
        : File.OpenHandle(path, truncates ? FileMode.Truncate : FileMode.Open, FileAccess.Write, FileShare.ReadWrite);

    /// <summary>Writes all bytes.</summary>
    /// <param name="file">The file.</param>
    /// <param name="bytes">The bytes.</param>
    /// <param name="offset">Where, in a file that this process opened; pipes and files that were handed down go on where they stopped.</param>
    public static void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset)
    {
        if (OperatingSystem.IsLinux())
        {
            UnixFile.Write(file, bytes);
        }
        else
        {
            RandomAccess.Write(file, bytes, offset);
        }
    }

    /// <summary>Whether a path is a pipe or a device, whose bytes come once.</summary>
    public static bool IsPipe(string path) => FileOwnership.Of(path) is { IsRegular: false } && !Directory.Exists(path);

    /// <summary>Whether a path is a pipe or a device, or was handed down to this process, so that its bytes go once.</summary>
    public static bool IsSink(string path) => IsPipe(path) || Inherited(path) is not null;

    /// <summary>Whether two paths are one file; a device may be many things at once, and so is none.</summary>
    public static bool IsSame(string first, string second) =>
        FileOwnership.Of(first) is { IsCharacterDevice: false } one && FileOwnership.Of(second) is { } other
            ? one.Identity == other.Identity
            : FullPath(first) == FullPath(second);

    /// <summary>Whether what is written to a path comes out of this process's standard output.</summary>
    public static bool IsStandardOutput(string path) => OperatingSystem.IsLinux() && (
        Inherited(path) is { } handed
            ? UnixFile.IsStandardOutput(handed)
            : StandardOutput is { IsCharacterDevice: false } output && FileOwnership.Of(path)?.Identity == output.Identity);

    /// <summary>Lets what libraries print go to standard error, so that standard output has what this process writes to it and nothing else.</summary>
    public static void KeepStandardOutput()
    {
        if (OperatingSystem.IsLinux())
        {
            UnixFile.KeepStandardOutput();
        }
    }

    /// <summary>Gives a new file the owner, group and permissions of an older one; false where that has more to it or this user may not.</summary>
    /// <param name="file">The new file.</param>
    /// <param name="older">The older one's path; true where there is none.</param>
    public static bool TryMakeAlike(SafeFileHandle file, string older)
    {
        if (!OperatingSystem.IsLinux() || FileOwnership.Of(older) is not { } status)
        {
            return true;
        }

        if (status.Links > 1 || UnixFile.HasAccessList(older) || !UnixFile.TryGive(file, status.User, status.Group))
        {
            return false;
        }

        // After the owner, whose change takes permissions away.
        File.SetUnixFileMode(file, status.Permissions);
        return true;
    }

    /// <summary>A path with its last links followed, whether or not there is a file at the end.</summary>
    public static string FullPath(string path)
    {
        var file = new FileInfo(Path.GetFullPath(path));
        return file.LinkTarget is null ? file.FullName : file.ResolveLinkTarget(returnFinalTarget: true)!.FullName;
    }

    private static FileOwnership? StandardOutput => FileOwnership.Of(UnixFile.StandardOutputPath);

    private static SafeFileHandle? Inherited(string path) => OperatingSystem.IsLinux() ? UnixFile.Inherited(Path.GetFullPath(path)) : null;
}
