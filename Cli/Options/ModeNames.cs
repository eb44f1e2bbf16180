namespace NativeFfn.Cli.Options;

/// <summary>The spelling of modes.</summary>
internal static class ModeNames
{
    public static string Of(FfnMode mode) => mode.ToString().ToLowerInvariant();

    public static bool TryParse(string text, out FfnMode mode)
    {
        foreach (FfnMode candidate in Enum.GetValues<FfnMode>())
        {
            if (string.Equals(Of(candidate), text, StringComparison.OrdinalIgnoreCase))
            {
                mode = candidate;
                return true;
            }
        }

        mode = default;
        return false;
    }
}
