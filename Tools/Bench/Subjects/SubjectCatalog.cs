using System.Collections.Immutable;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Subjects;

/// <summary>Everything that can be measured, in the order of the tables. A further subject is one line here.</summary>
internal static class SubjectCatalog
{
    private static readonly ImmutableArray<Entry> Entries =
    [
        Engine(BackendKind.Managed, FfnPrecision.Float32),
        Engine(BackendKind.Managed, FfnPrecision.BFloat16),
        Engine(BackendKind.Managed, FfnPrecision.Float16, byDefault: false),
        Engine(BackendKind.Managed, FfnPrecision.Int8),
        Engine(BackendKind.Mkl, FfnPrecision.Float32),
        Engine(BackendKind.Mkl, FfnPrecision.BFloat16, byDefault: false),
        Engine(BackendKind.Mkl, FfnPrecision.Float16, byDefault: false),
        Engine(BackendKind.Mkl, FfnPrecision.Int8, byDefault: false),
        new(OnnxSubject.Name, static layer => new OnnxSubject(layer)),
        new("mkl-sgemm", static layer => Sgemm("mkl-sgemm", layer, CblasLibrary.OpenMkl, slices: layer.Threads)),
        new("openblas", static layer => Sgemm("openblas", layer, () => CblasLibrary.OpenOpenBlas(layer.Threads), slices: 1)),
    ];

    /// <summary>Every name.</summary>
    public static ImmutableArray<string> Names { get; } = [.. Entries.Select(static entry => entry.Name)];

    /// <summary>
    /// What is measured if nobody says what: f32 on both backends and its peers, and, so that tables stay readable, the precision of most
    /// checkpoints and the smallest one on the backend that is always there.
    /// </summary>
    public static ImmutableArray<string> DefaultNames { get; } =
        [.. Entries.Where(static entry => entry.ByDefault).Select(static entry => entry.Name)];

    /// <summary>Opens subjects on one layer.</summary>
    /// <param name="names">Which; one that is not available is an error. Empty for those of <see cref="DefaultNames"/> that are available.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="skipped">Told which are left out, and why.</param>
    public static ImmutableArray<ISubject> Open(ImmutableArray<string> names, SubjectLayer layer, Action<string> skipped)
    {
        List<ISubject> subjects = [];
        try
        {
            foreach (Entry entry in Entries.Where(entry => (names.IsEmpty ? DefaultNames : names).Contains(entry.Name)))
            {
                try
                {
                    subjects.Add(entry.Open(layer));
                }
                catch (Exception error) when (names.IsEmpty && IsAbsence(error))
                {
                    skipped($"{entry.Name}: {error.Message}");
                }
            }

            return [.. subjects];
        }
        catch
        {
            subjects.ForEach(static subject => subject.Dispose());
            throw;
        }
    }

    private static bool IsAbsence(Exception error) => error is BackendUnavailableException or NotSupportedException or DllNotFoundException;

    private static Entry Engine(BackendKind backend, FfnPrecision precision, bool byDefault = true)
    {
        string name = Names<BackendKind>.Of(backend) + (precision == FfnPrecision.Float32 ? string.Empty : "-" + Names<FfnPrecision>.Of(precision));
        return new Entry(
            name,
            layer => new EngineSubject(
                name,
                layer.Weights.Spec,
                layer.Weights,
                new FfnEngineOptions { Backend = backend, Precision = precision, Threads = layer.Threads },
                layer.Limits),
            byDefault);
    }

    private static SgemmSubject Sgemm(string name, SubjectLayer layer, Func<CblasLibrary> open, int slices)
    {
        layer.Weights.RequireDense(name);
        return new SgemmSubject(name, layer, open(), slices);
    }

    // A name, how it is opened on a layer, and whether it is measured without being named.
    private sealed record Entry(string Name, Func<SubjectLayer, ISubject> Open, bool ByDefault = true);
}

/// <summary>A layer to open subjects on.</summary>
/// <param name="Weights">Its weights.</param>
/// <param name="Copies">Copies of them for subjects that use them in place.</param>
/// <param name="Threads">Threads of one forward.</param>
/// <param name="Limits">Bounds of the copies that others make.</param>
internal sealed record SubjectLayer(LayerWeights Weights, WeightCopies Copies, int Threads, RotationLimits Limits);
