namespace NativeFfn.Hosting;

/// <summary>An option of the section <c>NativeFfn</c>.</summary>
/// <param name="Key">Its key below the section.</param>
/// <param name="Allowed">The values that it may have, in words.</param>
/// <param name="Description">A sentence for the documentation.</param>
/// <param name="Value">Its value; where that is a list, the one that is not allowed.</param>
internal sealed record HostOption(string Key, string Allowed, string Description, Func<NativeFfnOptions, object?> Value)
{
    /// <summary>Whether the value is allowed; what depends on a model's name is checked with the model.</summary>
    public Predicate<NativeFfnOptions> IsAllowed { get; init; } = static _ => true;

    /// <summary>The default as text; <c>none</c> for an option that is null.</summary>
    public string Default => Value(new NativeFfnOptions()) switch
    {
        null => "none",
        bool flag => flag ? "true" : "false",
        object value => $"{value}",
    };
}
