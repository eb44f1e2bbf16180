using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace NativeFfn.Backends;

/// <summary>What <see cref="FfnEngineOptions.Numa"/> asks for: the machine's nodes, none, or nodes by their processors.</summary>
/// <param name="IsOff">Whether nothing is bound.</param>
/// <param name="Nodes">The processors of each node; none for the machine's own.</param>
internal readonly record struct NumaSetting(bool IsOff, ImmutableArray<ImmutableArray<int>> Nodes)
{
    /// <summary>The machine's own nodes.</summary>
    public const string AutoName = "auto";

    /// <summary>No nodes.</summary>
    public const string OffName = "off";

    /// <summary>The values that there are, in words.</summary>
    public const string Allowed = "auto, off, or each node's processors such as 0-15/16-31";

    /// <summary>Reads a setting; of processors two nodes or more, none of which share one.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out NumaSetting setting)
    {
        setting = new NumaSetting(string.Equals(text, OffName, StringComparison.OrdinalIgnoreCase), []);
        if (setting.IsOff || string.Equals(text, AutoName, StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        var nodes = ImmutableArray.CreateBuilder<ImmutableArray<int>>();
        foreach (string list in (text ?? string.Empty).Split('/'))
        {
            if (!ProcessorList.TryParse(list, out ImmutableArray<int> processors) || processors.IsEmpty)
            {
                return false;
            }

            nodes.Add(processors);
        }

        setting = setting with { Nodes = nodes.ToImmutable() };
        return nodes.Count > 1 && nodes.Sum(static node => node.Length) == nodes.SelectMany(static node => node).Distinct().Count();
    }
}
