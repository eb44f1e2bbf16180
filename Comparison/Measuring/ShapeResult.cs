using System.Collections.Immutable;
using NativeFfn.Comparison.Callers;

namespace NativeFfn.Comparison.Measuring;

/// <summary>One subject at one token count, beside the others and the roofline. Ratios are of times: below 1 means faster.</summary>
/// <param name="Tokens">Rows of one forward.</param>
/// <param name="Time">What was measured.</param>
/// <param name="RooflineMs">The least time that this precision allows, in milliseconds.</param>
/// <param name="BestPeer">The fastest of those that are not NativeFfn; null where there is none.</param>
/// <param name="Onnx">ONNX Runtime; null where it was not measured.</param>
/// <param name="OurF32">The same backend of NativeFfn in f32; null where it was not measured.</param>
internal sealed record ResultRow(int Tokens, Measured Time, double RooflineMs, Measured? BestPeer, Measured? Onnx, Measured? OurF32)
{
    /// <summary>Time by the best peer's.</summary>
    public double? OverBestPeer => Time.MedianMs / BestPeer?.MedianMs;

    /// <summary>Time by ONNX Runtime's.</summary>
    public double? OverOnnx => Time.MedianMs / Onnx?.MedianMs;

    /// <summary>Time by that of the same backend in f32.</summary>
    public double? OverOurF32 => Time.MedianMs / OurF32?.MedianMs;

    /// <summary>Time by the roofline's.</summary>
    public double OverRoofline => Time.MedianMs / RooflineMs;
}

/// <summary>One layer, measured.</summary>
/// <param name="Spec">The layer.</param>
/// <param name="Threads">Threads of one forward.</param>
/// <param name="OtherLoad">The part of the processors that other processes had meanwhile, 0 to 1; null where it is unknown.</param>
/// <param name="FlopsPerSecond">Best rate of multiply-adds, each counted as two.</param>
/// <param name="BytesPerSecond">Best rate of reading, by precision.</param>
/// <param name="Rows">Token counts in the order measured, subjects in the order of the catalog.</param>
/// <param name="Server">A server's view; null where it was not asked for.</param>
internal sealed record ShapeResult(
    FfnSpec Spec,
    int Threads,
    double? OtherLoad,
    double FlopsPerSecond,
    ImmutableArray<(string Precision, double BytesPerSecond)> BytesPerSecond,
    ImmutableArray<ResultRow> Rows,
    ServerView? Server)
{
    /// <summary>The layer's two widths.</summary>
    public string Shape => $"{Spec.DModel}x{Spec.DFf}";

    /// <summary>The subjects, in the order of the catalog.</summary>
    public IEnumerable<Subjects.SubjectDescription> Subjects => Rows.Select(static row => row.Time.Subject).Distinct();

    /// <summary>One subject's rows.</summary>
    public IEnumerable<ResultRow> Of(Subjects.SubjectDescription subject) => Rows.Where(row => row.Time.Subject == subject);
}
