using System.Collections.Immutable;

namespace NativeFfn.Comparison.Subjects;

/// <summary>Everything that can be measured, in the order of the tables. A further subject is one line here.</summary>
internal static class SubjectCatalog
{
    private static readonly ImmutableArray<Entry> Entries =
    [
        Engine(BackendKind.Managed, Precision.F32),
        Engine(BackendKind.Managed, Precision.BF16),
        Engine(BackendKind.Managed, Precision.F16, byDefault: false),
        Engine(BackendKind.Managed, Precision.Int8),
        Engine(BackendKind.Mkl, Precision.F32),
        Engine(BackendKind.Mkl, Precision.BF16, byDefault: false),
        Engine(BackendKind.Mkl, Precision.F16, byDefault: false),
        Engine(BackendKind.Mkl, Precision.Int8, byDefault: false),
        new(OnnxSubject.Name, static (weights, threads) => new OnnxSubject(weights, threads)),
        new("mkl-sgemm", static (weights, threads) => new SgemmSubject("mkl-sgemm", weights, CblasLibrary.OpenMkl(), threads, slices: threads)),
        new("openblas", static (weights, threads) => new SgemmSubject("openblas", weights, CblasLibrary.OpenOpenBlas(threads), threads, slices: 1)),
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
    /// <param name="weights">The layer.</param>
    /// <param name="threads">Threads of one forward.</param>
    /// <param name="skipped">Told which are left out, and why.</param>
    public static ImmutableArray<ISubject> Open(ImmutableArray<string> names, LayerWeights weights, int threads, Action<string> skipped)
    {
        List<ISubject> subjects = [];
        try
        {
            foreach (Entry entry in Entries.Where(entry => (names.IsEmpty ? DefaultNames : names).Contains(entry.Name)))
            {
                try
                {
                    subjects.Add(entry.Open(weights, threads));
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

    private static Entry Engine(BackendKind backend, Precision precision, bool byDefault = true)
    {
        string name = Names<BackendKind>.Of(backend) + (precision == Precision.F32 ? string.Empty : "-" + precision.Name);
        return new Entry(
            name,
            (weights, threads) => new EngineSubject(name, precision, weights, new FfnEngineOptions { Backend = backend, Threads = threads }),
            byDefault);
    }

    // What can be measured, how it is opened with a number of threads, and whether it is without being named.
    private sealed record Entry(string Name, Func<LayerWeights, int, ISubject> Open, bool ByDefault = true);
}
