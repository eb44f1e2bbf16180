using System.Collections.Immutable;
using System.Globalization;
using NativeFfn.Backends.Cpu;
using NativeFfn.Bench.Ggml;
using NativeFfn.Bench.OneDnn;
using NativeFfn.Bench.Onnx;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Subjects;

/// <summary>
/// Everything that can be measured, in the order of the tables. A further peer is one line here; our precisions are those of the backends.
/// </summary>
internal static class SubjectCatalog
{
    /// <summary>The set of everything.</summary>
    public const string All = "all";

    /// <summary>The set of what has less than 32 bits a weight.</summary>
    public const string LowBits = "low-bits";

    // What peers lose where they round rows to 8-bit integers, as ‖rounded − given‖₂ / ‖given‖₂ of a projection's input. Hidden rows are
    // products: the largest of 32 is about 3 times their root mean square, the largest of a row about 12 times, and rounding to max / 127
    // is off by a uniform error.
    private const double ErrorOfBlocks = 1e-2;
    private const double ErrorOfRows = 3e-2;

    // Half a unit of the 8th bit, uniform: as much as bf16 weights lose.
    private const double ErrorOfBFloat16 = 1.7e-3;

    // oneDNN's integers have a scale a row, coarser than all other peers': a peer of what rounds rows to 8 bits too, and of nothing else.
    private const string OnlyInt8Rows = "w8a8";

    private static readonly ImmutableArray<FfnPrecision> DefaultPrecisions =
        [FfnPrecision.Float32, FfnPrecision.BFloat16, FfnPrecision.Int8, FfnPrecision.Int4];

    private static readonly ImmutableArray<Entry> Entries =
    [
        .. Engines(BackendKind.Managed, DefaultPrecisions, inSets: true),

        // Reduced weights run on the same code in both, so that one is enough in a set.
        .. Engines(BackendKind.Mkl, [FfnPrecision.Float32], inSets: false),
        Onnx(OnnxSubject.Name, FfnPrecision.Float32, static () => new FloatMatrices(), "MatMul") with { ByDefault = true },
        Blocks("onnx-int8", 8, 0),
        Blocks("onnx-int8-a8", 8, 4),
        Blocks("onnx-int4", 4, 0),
        Blocks("onnx-int4-a8", 4, 4),
        new(
            "mkl-sgemm",
            FfnPrecision.Float32,
            static layer => Sgemm("mkl-sgemm", layer, PlainSgemm.OpenMkl, slices: layer.Threads),
            true),
        new(
            "openblas",
            FfnPrecision.Float32,
            static layer => Sgemm("openblas", layer, () => PlainSgemm.OpenOpenBlas(layer.Threads), slices: 1),
            true),
        Ggml("ggml-f32", GgmlType.F32, FfnPrecision.Float32, 0),
        Ggml("ggml-bf16", GgmlType.BF16, FfnPrecision.BFloat16, ErrorOfBFloat16),
        Ggml("ggml-q8_0", GgmlType.Q8_0, FfnPrecision.Int8, ErrorOfBlocks),
        Ggml("ggml-q4_0", GgmlType.Q4_0, FfnPrecision.Int4, ErrorOfBlocks),
        Ggml("ggml-q4_k", GgmlType.Q4_K, FfnPrecision.Int4, ErrorOfBlocks),
        OneDnn("onednn-bf16", RowRounding.BFloat16, FfnPrecision.BFloat16, ErrorOfBFloat16, onlyBeside: null),
        OneDnn("onednn-s8", RowRounding.Int8, FfnPrecision.Int8, ErrorOfRows, OnlyInt8Rows),
    ];

    /// <summary>Every name.</summary>
    public static ImmutableArray<string> Names { get; } = [.. Entries.Select(static entry => entry.Name)];

    /// <summary>Names of sets: of each number of bits that a weight has, and of several.</summary>
    public static ImmutableArray<string> Sets { get; } =
        [.. Entries.Select(static entry => SetOf(entry.Bits)).Distinct(), LowBits, All];

    /// <summary>
    /// What is measured if nobody says what: f32 on both backends and its peers, and, so that tables stay readable, the precision of most
    /// checkpoints and the smallest ones on the backend that is always there.
    /// </summary>
    public static ImmutableArray<string> DefaultNames { get; } =
        [.. Entries.Where(static entry => entry.ByDefault).Select(static entry => entry.Name)];

    /// <summary>The names that words stand for: names, and sets of them.</summary>
    /// <param name="words">The words; empty for <see cref="DefaultNames"/>.</param>
    public static ImmutableArray<string> Expand(ImmutableArray<string> words) => words.IsEmpty
        ? DefaultNames
        : [.. Entries.Where(entry => words.Any(word => word == entry.Name || entry.IsIn(word))).Select(static entry => entry.Name)];

    /// <summary>Bits of a weight, scales apart: the number in the precision's name.</summary>
    /// <param name="precision">A precision's name, such as <c>int4</c>, <c>w4a8</c> or <c>bf16</c>.</param>
    public static int BitsOf(string precision)
    {
        IEnumerable<char> digits = precision.SkipWhile(static letter => !char.IsAsciiDigit(letter)).TakeWhile(char.IsAsciiDigit);
        return int.Parse(string.Concat(digits), CultureInfo.InvariantCulture);
    }

    /// <summary>Opens subjects on one layer.</summary>
    /// <param name="words">Names and sets, of which a name that is not available is an error; empty for those of <see cref="DefaultNames"/>
    /// that are available.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="skipped">Told which are left out, and why.</param>
    public static ImmutableArray<ISubject> Open(ImmutableArray<string> words, SubjectLayer layer, Action<string> skipped)
    {
        List<ISubject> subjects = [];
        ImmutableArray<string> names = Expand(words);
        try
        {
            foreach (Entry entry in Entries.Where(entry => names.Contains(entry.Name)))
            {
                try
                {
                    subjects.Add(layer.Opening(() => entry.Open(layer)));
                }
                catch (Exception error) when (!words.Contains(entry.Name) && IsAbsence(error))
                {
                    skipped($"{entry.Name}: {error.Message}");
                }
            }

            return subjects.Count > 0
                ? [.. subjects]
                : throw new NotSupportedException("none of the --subjects can be measured on this layer and this machine.");
        }
        catch
        {
            subjects.ForEach(static subject => subject.Dispose());
            throw;
        }
    }

    private static bool IsAbsence(Exception error) =>
        error is BackendUnavailableException or NotSupportedException or DllNotFoundException or EntryPointNotFoundException;

    private static string SetOf(int bits) => $"{bits}-bit";

    private static IEnumerable<Entry> Engines(BackendKind backend, ImmutableArray<FfnPrecision> byDefault, bool inSets) =>
        from precision in CpuBackend.Precisions
        where precision is not (FfnPrecision.Auto or FfnPrecision.Stored)
        let full = precision == FfnPrecision.Float32
        let name = Names<BackendKind>.Of(backend) + (full ? string.Empty : "-" + Names<FfnPrecision>.Of(precision))
        select new Entry(
            name,
            precision,
            layer => new EngineSubject(
                name,
                layer.Weights.Spec,
                layer.Weights,
                new FfnEngineOptions { Backend = backend, Precision = precision, Threads = layer.Threads },
                layer.Limits),
            byDefault.Contains(precision),
            inSets || full);

    private static Entry Onnx(
        string name, FfnPrecision precision, Func<GraphMatrices> matrices, string operation, double activationError = 0) => new(
            name, precision, layer => new OnnxSubject(name, layer, precision, matrices(), operation, activationError));

    private static Entry Blocks(string name, int bits, int accuracyLevel) => Onnx(
        name,
        bits == 8 ? FfnPrecision.Int8 : FfnPrecision.Int4,
        () => new BlockMatrices(bits, accuracyLevel),
        $"MatMulNBits, {bits} bits in blocks of {BlockMatrices.BlockSize}, accuracy_level {accuracyLevel}",
        accuracyLevel == 0 ? 0 : ErrorOfBlocks);

    private static Entry Ggml(string name, GgmlType type, FfnPrecision precision, double activationError) =>
        new(name, precision, layer => new GgmlSubject(name, layer, type, precision, activationError));

    private static Entry OneDnn(string name, RowRounding rounding, FfnPrecision precision, double activationError, string? onlyBeside) =>
        new(name, precision, layer => new OneDnnSubject(name, layer, rounding, precision, activationError, onlyBeside));

    private static SgemmSubject Sgemm(string name, SubjectLayer layer, Func<PlainSgemm> open, int slices)
    {
        layer.Weights.RequireDense(name);
        return new SgemmSubject(name, layer, open(), slices);
    }

    // A name, the weights' precision, how it is opened on a layer, and whether it is measured without being named, and within a set.
    private sealed record Entry(
        string Name, FfnPrecision Precision, Func<SubjectLayer, ISubject> Open, bool ByDefault = false, bool InSets = true)
    {
        public int Bits => BitsOf(Names<FfnPrecision>.Of(Precision));

        public bool IsIn(string set) =>
            set == All || (InSets && (set == SetOf(Bits) || (set == LowBits && Precision != FfnPrecision.Float32)));
    }
}

/// <summary>A layer to open subjects on.</summary>
/// <param name="Weights">Its weights.</param>
/// <param name="Copies">Copies of them for subjects that use them in place.</param>
/// <param name="Threads">Threads of one forward.</param>
/// <param name="Limits">Bounds of the copies that others make.</param>
/// <param name="Opening">Opens a subject, so that its threads are seen.</param>
internal sealed record SubjectLayer(
    LayerWeights Weights, WeightCopies Copies, int Threads, RotationLimits Limits, Func<Func<ISubject>, ISubject> Opening);
