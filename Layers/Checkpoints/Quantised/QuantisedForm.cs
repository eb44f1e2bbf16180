using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>How a method of quantisation stores a matrix: the names of its parts, and what is made of them.</summary>
/// <remarks>A module's parts are its path with an ending each. Its matrix is shown under one name; the parts are hidden.</remarks>
/// <param name="Codes">The ending of the codes.</param>
/// <param name="Shown">The ending of the name under which the matrix is shown.</param>
/// <param name="Sign">The ending of a part that tells a quantised matrix from a plain one.</param>
/// <param name="Parts">The endings of all other parts, hidden wherever they are.</param>
/// <param name="Open">Makes the matrix of its parts.</param>
internal sealed record QuantisedForm(
    string Codes, string Shown, string Sign, ImmutableArray<string> Parts, Func<QuantisedModule, QuantisedTensor> Open)
{
    /// <summary>The module whose matrix is shown under a name, or null where there is none in this form.</summary>
    /// <param name="name">The name.</param>
    /// <param name="has">Whether a tensor is stored.</param>
    public string? ModuleOf(string name, Func<string, bool> has) => ModuleOf(name, Shown, has);

    /// <summary>Whether a stored tensor is a part of a matrix in this form, and none that is shown.</summary>
    public bool Hides(string name, Func<string, bool> has) =>
        (Codes != Shown && ModuleOf(name, Codes, has) is not null) || Parts.Any(part => ModuleOf(name, part, has) is not null);

    private string? ModuleOf(string name, string ending, Func<string, bool> has)
    {
        if (!name.EndsWith(ending, StringComparison.Ordinal))
        {
            return null;
        }

        string module = name[..^ending.Length];
        return module.Length > 0 && has(module + Codes) && has(module + Sign) ? module : null;
    }
}
