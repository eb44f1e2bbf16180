using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bench.Subjects;

/// <summary>Finds a library that a script of <c>build</c> has put into the cache, or the one that the user wants instead.</summary>
internal static class FetchedLibrary
{
    /// <summary>The library's file.</summary>
    /// <param name="library">Its name, for messages.</param>
    /// <param name="folder">Its folder in the cache, which has one for each version.</param>
    /// <param name="script">What puts it there.</param>
    /// <param name="fileName">The file's name.</param>
    /// <param name="variable">Names a file to use and no other.</param>
    /// <exception cref="DllNotFoundException">There is none; the message says what to do.</exception>
    public static string Find(string library, string folder, string script, string fileName, string variable)
    {
        string? chosen = Environment.GetEnvironmentVariable(variable);
        if (!string.IsNullOrEmpty(chosen))
        {
            return File.Exists(chosen)
                ? Path.GetFullPath(chosen)
                : throw new DllNotFoundException($"{variable} names '{chosen}', which is no file.");
        }

        string versions = UserCache.TryFind(out string? cache, out string? problem)
            ? Path.Combine(cache, folder)
            : throw new DllNotFoundException($"{library} is looked for in the cache, but {problem}.");
        return (Directory.Exists(versions) ? Directory.EnumerateDirectories(versions) : [])
            .Select(version => Path.Combine(version, "lib", fileName))
            .Where(File.Exists)
            .Max(StringComparer.Ordinal)
            ?? throw new DllNotFoundException($"There is no {library} in {versions}. Run {script} or set {variable}.");
    }
}
