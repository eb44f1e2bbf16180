using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Microsoft.Win32.SafeHandles;

namespace NativeFfn.Bindings.Files;

/// <summary>
/// Files by Linux's own calls. Those of .NET take an advisory lock on whatever they open, refuse what somebody else has locked, and write a
/// file that was handed down from its start instead of where the process before stopped.
/// </summary>
internal static unsafe partial class UnixFile
{
    // fcntl.h, the same on every processor that .NET runs on.
    private const int ToWrite = 0x1;
    private const int NoControllingTerminal = 0x100;
    private const int Truncate = 0x200;
    private const int DoNotWait = 0x800;
    private const int CloseOnExec = 0x80000;
    private const int DuplicateFrom = 1030;

    private const int StandardOutput = 1;
    private const int StandardError = 2;

    // errno.h.
    private const int NotPermitted = 1;
    private const int NoEntry = 2;
    private const int Interrupted = 4;
    private const int TryAgain = 11;
    private const int AccessDenied = 13;
    private const int ReadOnlySystem = 30;

    // Where standard output is, as descriptors are the whole process's.
    private static int s_standardOutput = StandardOutput;

    // More links than Linux follows.
    private const int MaxLinks = 40;

    private const string AccessList = "system.posix_acl_access";

    /// <summary>Opens a file for reading.</summary>
    /// <param name="path">The file.</param>
    /// <param name="waits">Whether to wait for the writer of a pipe.</param>
    public static SafeFileHandle OpenToRead(string path, bool waits) => Open(path, waits ? 0 : DoNotWait);

    /// <summary>Opens a file that exists for writing from its start.</summary>
    /// <param name="path">The file.</param>
    /// <param name="truncates">Whether what it holds goes.</param>
    public static SafeFileHandle OpenToWrite(string path, bool truncates) => Open(path, ToWrite | NoControllingTerminal | (truncates ? Truncate : 0));

    /// <summary>The file of this process that a path such as <c>/dev/stdout</c> leads to, where it stopped; null for any other path.</summary>
    public static SafeFileHandle? Inherited(string path)
    {
        string found = path;
        for (int links = 0; links < MaxLinks; links++)
        {
            Match match = Descriptor().Match(found);
            if (match.Success)
            {
                int descriptor = int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
                return new SafeFileHandle(descriptor == StandardOutput ? s_standardOutput : descriptor, ownsHandle: false);
            }

            if (new FileInfo(found).LinkTarget is not { } target)
            {
                return null;
            }

            found = Path.GetFullPath(target, Path.GetDirectoryName(found)!);
        }

        return null;
    }

    /// <summary>Where this process's standard output is.</summary>
    public static string StandardOutputPath => string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{s_standardOutput}");

    /// <summary>Whether a file is this process's standard output.</summary>
    public static bool IsStandardOutput(SafeFileHandle file) => file.DangerousGetHandle() == s_standardOutput;

    /// <summary>
    /// Keeps standard output for what is written to it by name, and for streams that have it already: what libraries print there goes to
    /// standard error from now on.
    /// </summary>
    public static void KeepStandardOutput()
    {
        int kept = Native.Control(StandardOutput, DuplicateFrom, StandardError + 1);
        if (kept > StandardError && Native.Duplicate(StandardError, StandardOutput) == StandardOutput)
        {
            s_standardOutput = kept;
        }
    }

    /// <summary>Writes all bytes where the file stands; at its end, where it was opened to append.</summary>
    public static void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            for (nint written = 0; written < bytes.Length;)
            {
                nint more = Native.Write(file, start + written, bytes.Length - written);
                if (more >= 0)
                {
                    written += more;
                    continue;
                }

                int error = Marshal.GetLastPInvokeError();
                if (error == TryAgain)
                {
                    // A pipe that is full, and that whoever handed it down set not to wait.
                    Thread.Sleep(1);
                }
                else if (error != Interrupted)
                {
                    throw Failure(error);
                }
            }
        }
    }

    /// <summary>Gives a file an owner and a group; false where this user may not.</summary>
    public static bool TryGive(SafeFileHandle file, uint user, uint group) => Native.ChangeOwner(file, user, group) == 0;

    /// <summary>Whether more than its owner and its group say who may use a file.</summary>
    public static bool HasAccessList(string path) => Native.GetAttribute(path, AccessList, null, 0) > 0;

    private static SafeFileHandle Open(string path, int flags)
    {
        int descriptor;
        int error;
        do
        {
            descriptor = Native.Open(path, flags | CloseOnExec);
            error = Marshal.GetLastPInvokeError();
        }
        while (descriptor < 0 && error == Interrupted);

        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : throw Failure(error);
    }

    private static Exception Failure(int error)
    {
        string message = Marshal.GetPInvokeErrorMessage(error);
        return error switch
        {
            NoEntry => new FileNotFoundException(message),
            NotPermitted or AccessDenied or ReadOnlySystem => new UnauthorizedAccessException(message),
            _ => new IOException(message),
        };
    }

    [GeneratedRegex(@"^/(?:dev|proc/self)/fd/(\d{1,9})$")]
    private static partial Regex Descriptor();

    private static partial class Native
    {
        [LibraryImport(Libraries.C, EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
        public static partial int Open(string path, int flags);

        [LibraryImport(Libraries.C, EntryPoint = "write", SetLastError = true)]
        public static partial nint Write(SafeFileHandle file, byte* bytes, nint count);

        [LibraryImport(Libraries.C, EntryPoint = "fcntl")]
        public static partial int Control(int descriptor, int command, int argument);

        [LibraryImport(Libraries.C, EntryPoint = "dup2")]
        public static partial int Duplicate(int from, int to);

        [LibraryImport(Libraries.C, EntryPoint = "fchown")]
        public static partial int ChangeOwner(SafeFileHandle file, uint user, uint group);

        [LibraryImport(Libraries.C, EntryPoint = "getxattr", StringMarshalling = StringMarshalling.Utf8)]
        public static partial nint GetAttribute(string path, string name, byte* value, nint size);
    }
}
