using System.Text;
using Microsoft.Win32.SafeHandles;

namespace NativeFfn;

/// <summary>
/// Proves at a program's start that it may open as many files as it will need, its own assemblies among them: without them not even an
/// error could be told. Uses nothing but the core library, which is loaded already. Compiled into each program.
/// </summary>
internal static class OpenFiles
{
    // Can be opened by everybody and as often as one likes.
    private const string AnyFile = "/dev/null";
    private const int StandardError = 2;

    /// <summary>Whether a number of files can be opened; says so on standard error where not.</summary>
    /// <param name="files">Files, beside those that are open.</param>
    /// <param name="program">The program's name, for the error line.</param>
    public static bool HaveRoom(int files, string program)
    {
        if (OperatingSystem.IsWindows())
        {
            return true;
        }

        var open = new SafeFileHandle?[files];
        try
        {
            for (int i = 0; i < files; i++)
            {
                open[i] = File.OpenHandle(AnyFile);
            }

            return true;
        }
        catch (IOException)
        {
            Close(open);
            using var error = new FileStream(new SafeFileHandle(StandardError, ownsHandle: false), FileAccess.Write, bufferSize: 0);
            error.Write(Encoding.UTF8.GetBytes($"{program}: error: This process may open too few files: it needs {files} beside those it starts with. Raise the limit (ulimit -n).\n"));
            return false;
        }
        finally
        {
            Close(open);
        }
    }

    private static void Close(SafeFileHandle?[] files)
    {
        foreach (SafeFileHandle? file in files)
        {
            file?.Dispose();
        }
    }
}
