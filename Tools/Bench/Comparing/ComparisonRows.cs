using NativeFfn.Bench.Subjects;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Comparing;

/// <summary>One subject's times at one token count.</summary>
/// <param name="Subject">The subject.</param>
/// <param name="Times">Its times.</param>
/// <param name="RelativeL2">Its error.</param>
/// <param name="RooflineMs">The least time that its precision allows.</param>
internal sealed record Measured(SubjectDescription Subject, Times Times, double RelativeL2, double RooflineMs)
{
    /// <summary>The name of its precision.</summary>
    public string Precision => Names<FfnPrecision>.Of(Subject.Precision);

    /// <summary>Whether it is NativeFfn.</summary>
    public bool Ours => Subject.Backend is not null;

    /// <summary>Whether it is a peer of one of ours: weights of as many bits, and none of ours that is set apart from it.</summary>
    public bool IsPeerOf(Measured ours) => !Ours
        && SubjectCatalog.BitsOf(Precision) == SubjectCatalog.BitsOf(ours.Precision)
        && (Subject.OnlyBeside ?? ours.Precision) == ours.Precision;
}

/// <summary>Sets the subjects of one token count side by side.</summary>
internal static class ComparisonRows
{
    /// <summary>A row for each subject.</summary>
    public static IEnumerable<ComparisonRow> Of(int tokens, Measured[] all)
    {
        Measured? onnx = all.FirstOrDefault(static one => one.Subject.Name == OnnxSubject.Name);
        foreach (Measured one in all)
        {
            double median = one.Times.MedianMs;
            Measured? bestPeer = one.Ours ? all.Where(other => other.IsPeerOf(one)).MinBy(static other => other.Times.MedianMs) : null;
            Measured? full = one.Ours && one.Subject.Precision != FfnPrecision.Float32
                ? all.FirstOrDefault(other => (other.Subject.Backend, other.Subject.Precision) == (one.Subject.Backend, FfnPrecision.Float32))
                : null;
            yield return new ComparisonRow(
                tokens,
                one.Subject.Name,
                median,
                one.Times.MinMs,
                one.Times.Runs,
                one.Times.Disturbed,
                one.RelativeL2,
                one.RooflineMs,
                median / one.RooflineMs,
                bestPeer?.Subject.Name,
                median / bestPeer?.Times.MedianMs,
                one.Ours ? median / onnx?.Times.MedianMs : null,
                median / full?.Times.MedianMs);
        }
    }
}
