using System.Diagnostics.CodeAnalysis;

namespace NativeFfn.Bindings.Loading;

/// <summary>The folder of what is fetched and what is measured; the scripts in <c>build/</c> know it by the same rule.</summary>
/// <remarks>It is an absolute folder or there is none: a relative one would be another in each current folder, which others may write.</remarks>
internal static class UserCache
{
    /// <summary>Names the folder, instead of the user's cache.</summary>
    public const string Variable = "NATIVEFFN_CACHE";

    /// <summary>The folder, which need not exist, or null where the environment names none.</summary>
    public static string? Folder => TryFind(out string? folder, out _) ? folder : null;

    /// <summary>Finds the folder, or says why there is none.</summary>
    /// <param name="folder">The folder, absolute; it need not exist.</param>
    /// <param name="problem">What is wrong, and what to set.</param>
    public static bool TryFind([NotNullWhen(true)] out string? folder, [NotNullWhen(false)] out string? problem)
    {
        (folder, problem) = (null, null);
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } configured)
        {
            folder = Path.IsPathFullyQualified(configured) ? configured : null;
            problem = folder is null ? $"{Variable} is '{configured}', no absolute path, so there is no cache; set it to an absolute folder" : null;
            return problem is null;
        }

        // The base directory specification ignores a relative XDG_CACHE_HOME. A home that does not exist is an empty name.
        string? caches = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        if (string.IsNullOrEmpty(caches) || !Path.IsPathFullyQualified(caches))
        {
            string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
            caches = Path.IsPathFullyQualified(home) ? Path.Combine(home, ".cache") : null;
        }

        if (caches is null)
        {
            problem = $"this user has no home folder, so there is no cache; set {Variable} to an absolute folder";
            return false;
        }

        folder = Path.Combine(caches, "nativeffn");
        return true;
    }

    /// <summary>A file of the cache for what this library keeps, or null where there is no cache.</summary>
    public static string? File(string folder, string name) => Folder is { } cache ? Path.Combine(cache, folder, name) : null;
}
