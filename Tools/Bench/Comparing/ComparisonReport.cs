using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace NativeFfn.Bench.Comparing;

/// <summary>Results of a comparison, as <c>--json</c> writes them.</summary>
/// <param name="Machine">Where the numbers were taken.</param>
/// <param name="Shapes">One for each layer.</param>
internal sealed record ComparisonReport(Machine Machine, ImmutableArray<ShapeReport> Shapes);

/// <summary>One layer, measured.</summary>
/// <param name="Kind">The layer's kind.</param>
/// <param name="DModel">d_model.</param>
/// <param name="DFf">d_ff; of one expert in a mixture.</param>
/// <param name="Experts">Experts of a mixture; 0 for a dense layer.</param>
/// <param name="TopK">Experts that a token is sent to; 0 for a dense layer.</param>
/// <param name="Threads">Threads of one forward.</param>
/// <param name="Processors">Processors that the threads were kept on; empty where they were not.</param>
/// <param name="OtherLoad">The part of the processors that other processes had meanwhile, 0 to 1; null where it is unknown.</param>
/// <param name="CacheBytes">Bytes of the last cache, from which the copies of the weights follow.</param>
/// <param name="Ceilings">What the machine does at most, by precision.</param>
/// <param name="Subjects">The subjects, in the order of the catalog.</param>
/// <param name="Rows">Token counts in the order measured, subjects in the order of the catalog.</param>
/// <param name="Server">A server's view; null where it was not asked for.</param>
internal sealed record ShapeReport(
    string Kind,
    int DModel,
    int DFf,
    int Experts,
    int TopK,
    int Threads,
    ImmutableArray<int> Processors,
    double? OtherLoad,
    long CacheBytes,
    ImmutableArray<CeilingRow> Ceilings,
    ImmutableArray<SubjectRow> Subjects,
    ImmutableArray<ComparisonRow> Rows,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] ServerView? Server)
{
    /// <summary>The layer's two widths.</summary>
    [JsonIgnore]
    public string Shape => $"{DModel}x{DFf}";

    /// <summary>The layer, for the eye.</summary>
    [JsonIgnore]
    public string Title => Experts == 0 ? $"SwiGLU {Shape} with residual" : $"SwiGLU {Shape}, {Experts} experts, top {TopK}, with residual";

    /// <summary>One subject's rows.</summary>
    public IEnumerable<ComparisonRow> Of(SubjectRow subject) => Rows.Where(row => row.Subject == subject.Name);
}

/// <summary>What the machine does at most for a precision: medians of plain loops, measured before and after each token count.</summary>
/// <param name="Precision">The precision.</param>
/// <param name="Instruction">What our kernels multiply with: multiply-adds of float32, or one of the processor's dot products.</param>
/// <param name="GbPerSec">Reading as many bytes as copies of the weights have, in 10⁹ bytes a second.</param>
/// <param name="GopsPerSec">The instruction in registers, a multiply-add counted as two, in 10⁹ operations a second.</param>
internal sealed record CeilingRow(string Precision, string Instruction, double GbPerSec, double GopsPerSec);

/// <summary>One subject.</summary>
/// <param name="Name">Its name in <c>--subjects</c>.</param>
/// <param name="Ours">Whether it is NativeFfn; others are peers.</param>
/// <param name="Precision">How its weights lie in memory.</param>
/// <param name="WeightBits">Bits of a weight, scales apart.</param>
/// <param name="OnlyBeside">The one precision of ours that it is a peer of; null for all of as many bits.</param>
/// <param name="WeightBytes">Bytes of one copy of the weights.</param>
/// <param name="WeightCopies">Copies of the weights that took turns.</param>
/// <param name="IsPastCache">Whether that is enough for each to leave the last cache before its next turn.</param>
/// <param name="QuantizationError">What the precision lost of the matrix that lost most: ‖kept − given‖₂ / ‖given‖₂.</param>
/// <param name="Version">The library and its version.</param>
internal sealed record SubjectRow(
    string Name,
    bool Ours,
    string Precision,
    int WeightBits,
    string? OnlyBeside,
    long WeightBytes,
    int WeightCopies,
    bool IsPastCache,
    double QuantizationError,
    string Version);

/// <summary>One subject at one token count, beside the others and the roofline. Ratios are of median times: below 1 means faster.</summary>
/// <param name="Tokens">Rows of one forward.</param>
/// <param name="Subject">The subject's name.</param>
/// <param name="MedianMs">Median time of one forward, in milliseconds.</param>
/// <param name="MinMs">Shortest time of one forward, in milliseconds.</param>
/// <param name="Runs">Forwards that the median is of.</param>
/// <param name="Disturbed">Whether other processes were busy and left too few forwards alone to leave the others out.</param>
/// <param name="RelativeL2">Relative L2 error against float64 of what the layer adds to its residual.</param>
/// <param name="RooflineMs">The least time that this precision allows, in milliseconds.</param>
/// <param name="OverRoofline">Time by the roofline's.</param>
/// <param name="BestPeer">The fastest of its peers, whose weights have as many bits; null where there is none, and for peers.</param>
/// <param name="OverBestPeer">Time by the best peer's.</param>
/// <param name="OverOnnx">Time by ONNX Runtime's in f32.</param>
/// <param name="OverOurF32">Time by that of the same backend in f32; null for f32 itself.</param>
internal sealed record ComparisonRow(
    int Tokens,
    string Subject,
    double MedianMs,
    double MinMs,
    int Runs,
    bool Disturbed,
    double RelativeL2,
    double RooflineMs,
    double OverRoofline,
    string? BestPeer,
    double? OverBestPeer,
    double? OverOnnx,
    double? OverOurF32);

/// <summary>NativeFfn as a server sees it: many callers, pauses between them, and the garbage collector.</summary>
/// <param name="Callers">Callers at a time.</param>
/// <param name="OtherLoad">The part of the processors that other processes had meanwhile, 0 to 1; null where it is unknown.</param>
/// <param name="Rates">Subjects at each token count.</param>
/// <param name="Rests">What subjects take beside their answers.</param>
internal sealed record ServerView(int Callers, double? OtherLoad, ImmutableArray<CallerRate> Rates, ImmutableArray<RestRow> Rests);

/// <summary>How many tokens pass through a layer, by who calls it; medians of several windows.</summary>
/// <param name="Tokens">Rows of one forward.</param>
/// <param name="Subject">The subject's name.</param>
/// <param name="ManyTokensPerSec">Tokens a second of all callers together, on an engine that gives each of them one thread.</param>
/// <param name="OneTokensPerSec">Tokens a second of one caller after the other, on an engine that gives it all threads.</param>
internal sealed record CallerRate(int Tokens, string Subject, double ManyTokensPerSec, double OneTokensPerSec)
{
    /// <summary>The many by the one: above 1, callers at a time get more done.</summary>
    public double ManyOverOne => ManyTokensPerSec / OneTokensPerSec;
}

/// <summary>What a subject takes beside its answers.</summary>
/// <param name="Subject">The subject's name.</param>
/// <param name="IdleMs">Milliseconds of processor time, of all threads of the process, in the second after a forward.</param>
/// <param name="AllocatedBytesPerCall">Managed bytes of one steady forward, on all threads together.</param>
internal sealed record RestRow(string Subject, double IdleMs, long AllocatedBytesPerCall);

/// <summary>How results become JSON, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(ComparisonReport))]
internal sealed partial class ComparisonJson : JsonSerializerContext;
