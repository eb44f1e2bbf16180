namespace NativeFfn.Bindings.Loading;

/// <summary>The folder of what is fetched and what is measured; the scripts in <c>build/</c> know it by the same rule.</summary>
internal static class UserCache
{
    /// <summary>Names the folder, instead of the user's cache.</summary>
    public const string Variable = "NATIVEFFN_CACHE";

    /// <summary>The folder, which need not exist.</summary>
    public static string Folder
    {
        get
        {
            if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } configured)
            {
                return configured;
            }

            string? userCache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
            return Path.Combine(
                string.IsNullOrEmpty(userCache)
                    ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache")
                    : userCache,
                "nativeffn");
        }
    }
}
