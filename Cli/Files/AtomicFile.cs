namespace NativeFfn.Cli.Files;

/// <summary>Small text files that appear whole or not at all.</summary>
internal static class AtomicFile
{
    /// <summary>Writes beside the final place, then moves there, over an older file.</summary>
    public static void WriteText(string path, string content)
    {
        string temporary = $"{path}.{Environment.ProcessId}.partial";
        try
        {
            File.WriteAllText(temporary, content);
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}
