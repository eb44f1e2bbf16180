using System.Collections.Immutable;

namespace NativeFfn.Comparison.Subjects;

/// <summary>Everything that can be measured, in the order of the tables. A further subject is one line here.</summary>
internal static class SubjectCatalog
{
    private static readonly ImmutableArray<(string Name, Func<LayerWeights, int, ISubject> Open)> Entries =
    [
        Engine("managed", Precision.F32, new FfnEngineOptions { Backend = BackendKind.Managed }),
        Engine("mkl", Precision.F32, new FfnEngineOptions { Backend = BackendKind.Mkl }),
        (OnnxSubject.Name, static (weights, threads) => new OnnxSubject(weights, threads)),
        ("mkl-sgemm", static (weights, threads) => new SgemmSubject("mkl-sgemm", weights, CblasLibrary.OpenMkl(), threads, slices: threads)),
        ("openblas", static (weights, threads) => new SgemmSubject("openblas", weights, CblasLibrary.OpenOpenBlas(threads), threads, slices: 1)),
    ];

    /// <summary>Every name.</summary>
    public static ImmutableArray<string> Names { get; } = [.. Entries.Select(static entry => entry.Name)];

    /// <summary>Opens subjects on one layer.</summary>
    /// <param name="names">Which; one that is not available is an error. Empty for all that are available.</param>
    /// <param name="weights">The layer.</param>
    /// <param name="threads">Threads of one forward.</param>
    /// <param name="skipped">Told which are left out, and why.</param>
    public static ImmutableArray<ISubject> Open(ImmutableArray<string> names, LayerWeights weights, int threads, Action<string> skipped)
    {
        List<ISubject> subjects = [];
        try
        {
            foreach ((string name, Func<LayerWeights, int, ISubject> open) in Entries.Where(entry => names.IsEmpty || names.Contains(entry.Name)))
            {
                try
                {
                    subjects.Add(open(weights, threads));
                }
                catch (Exception error) when (names.IsEmpty && IsAbsence(error))
                {
                    skipped($"{name}: {error.Message}");
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

    private static (string Name, Func<LayerWeights, int, ISubject> Open) Engine(string name, Precision precision, FfnEngineOptions options) =>
        (name, (weights, threads) => new EngineSubject(name, precision, weights, options with { Threads = threads }));
}
