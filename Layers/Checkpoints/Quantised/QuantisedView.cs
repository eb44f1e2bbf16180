using System.Collections.Concurrent;
using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>
/// The tensors of a quantised checkpoint as they would be without quantisation: each matrix by its own name, its parts nowhere.
/// </summary>
/// <remarks>Names alone tell; a matrix's parts are looked at when it is asked for. Safe for use by several threads at once.</remarks>
/// <param name="forms">The forms that its method has.</param>
/// <param name="has">Whether a tensor is stored.</param>
/// <param name="stored">The stored tensor of a name, or null.</param>
/// <param name="path">The checkpoint's file or index.</param>
internal sealed class QuantisedView(
    ImmutableArray<QuantisedForm> forms, Func<string, bool> has, Func<string, TensorPiece?> stored, string path)
{
    private readonly ConcurrentDictionary<string, QuantisedTensor> _open = [];

    /// <summary>Whether a tensor is shown.</summary>
    public bool Contains(string name) => Has(name) || (has(name) && !Hides(name));

    /// <summary>Whether a name is that of a quantised matrix.</summary>
    public bool Has(string name) => FormOf(name) is not null;

    /// <summary>The names that are shown of those that are stored, in no order.</summary>
    public IEnumerable<string> Show(IEnumerable<string> names)
    {
        foreach (string name in names)
        {
            if (!Hides(name))
            {
                yield return name;
                continue;
            }

            foreach (QuantisedForm form in forms)
            {
                if (form.Codes != form.Shown && name.EndsWith(form.Codes, StringComparison.Ordinal))
                {
                    string shown = name[..^form.Codes.Length] + form.Shown;
                    if (!has(shown) && FormOf(shown) is not null)
                    {
                        yield return shown;
                        break;
                    }
                }
            }
        }
    }

    /// <summary>The quantised matrix of a name; null where what has the name is not quantised.</summary>
    public QuantisedTensor? Find(string name)
    {
        if (_open.TryGetValue(name, out QuantisedTensor? known))
        {
            return known;
        }

        return FormOf(name) is (var form, var module)
            ? _open.GetOrAdd(name, form.Open(new QuantisedModule(module, name, stored, path)))
            : null;
    }

    private bool Hides(string name) => forms.Any(form => form.Hides(name, has));

    private (QuantisedForm Form, string Module)? FormOf(string name)
    {
        foreach (QuantisedForm form in forms)
        {
            if (form.ModuleOf(name, has) is { } module)
            {
                return (form, module);
            }
        }

        return null;
    }
}
