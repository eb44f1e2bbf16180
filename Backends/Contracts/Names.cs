using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.Serialization;

namespace NativeFfn;

// The enumeration is named by the caller: for a spelling there is nothing to infer it from.
#pragma warning disable CA1000

/// <summary>The spelling of an enumeration's values in configuration, on the command line and in messages.</summary>
/// <remarks>A value is spelled as its <see cref="EnumMemberAttribute"/> says, and without one as its name in lower case.</remarks>
/// <typeparam name="T">The enumeration, such as <see cref="BackendKind"/>.</typeparam>
public static class Names<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicFields)] T>
    where T : struct, Enum
{
    private static readonly ImmutableArray<T> Values = [.. Enum.GetValues<T>()];

    /// <summary>All spellings, in the order of the values.</summary>
    public static ImmutableArray<string> All { get; } = [.. Values.Select(Spell)];

    /// <summary>A value's spelling.</summary>
    /// <param name="value">The value.</param>
    /// <exception cref="ArgumentOutOfRangeException">The enumeration has no such value.</exception>
    public static string Of(T value)
    {
        int index = Values.IndexOf(value);
        return index < 0 ? throw new ArgumentOutOfRangeException(nameof(value), value, $"No such {typeof(T).Name}.") : All[index];
    }

    /// <summary>The value of a spelling, ignoring case.</summary>
    /// <param name="name">A spelling.</param>
    /// <param name="value">The value found.</param>
    /// <returns>False where no value is spelled so.</returns>
    public static bool TryParse(string? name, out T value)
    {
        int index = All.IndexOf(name ?? string.Empty, 0, All.Length, StringComparer.OrdinalIgnoreCase);
        value = index < 0 ? default : Values[index];
        return index >= 0;
    }

    private static string Spell(T value)
    {
        string name = value.ToString();
        return typeof(T).GetField(name)!.GetCustomAttribute<EnumMemberAttribute>()?.Value ?? name.ToLowerInvariant();
    }
}
