using System.Text;

namespace NativeFfn.Cli.Files;

/// <summary>Small text files that appear whole or not at all; devices and pipes, which cannot be replaced, are written directly.</summary>
internal static class AtomicFile
{
    /// <summary>Writes beside the final place, then moves there, over an older file.</summary>
    /// <param name="path">The file; where it is a link, what it leads to.</param>
    /// <param name="content">The text, written as UTF-8.</param>
    public static void WriteText(string path, string content)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(content);
        using (FileStream? device = OpenDevice(path))
        {
            if (device is not null)
            {
                device.Write(bytes);
                device.Flush();
                return;
            }
        }

        string target = new FileInfo(path) is { LinkTarget: not null } link ? link.ResolveLinkTarget(returnFinalTarget: true)!.FullName : path;
        string temporary = $"{target}.{Environment.ProcessId}.partial";
        try
        {
            File.WriteAllBytes(temporary, bytes);
            File.Move(temporary, target, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    // Devices and pipes look like empty files; what tells them apart is that they cannot be cut to a length, not even to their own.
    private static FileStream? OpenDevice(string path)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        FileStream stream;
        try
        {
            stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
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
}
