using System.Collections.Immutable;
using NativeFfn.Hosting;

namespace NativeFfn.Server.Explorer;

/// <summary>A small network with random weights, to look at.</summary>
/// <param name="Name">The model's name.</param>
/// <param name="Spec">Its one layer.</param>
/// <param name="Code">C# that makes the same spec.</param>
/// <param name="Seed">The seed of its weights.</param>
internal sealed record SampleModel(string Name, FfnSpec Spec, string Code, ulong Seed)
{
    /// <summary>Its weights.</summary>
    public XavierWeights Weights { get; } = new(Spec, Seed);
}

/// <summary>What is served where the configuration has no model: one network of each sort.</summary>
internal static class SampleModels
{
    private const int DModel = 128;

    private static readonly NormSpec Norm = new(NormKind.Rms, 1e-5f);

    /// <summary>Every sample.</summary>
    public static ImmutableArray<SampleModel> All { get; } =
    [
        new(
            "gelu",
            FfnSpec.Create(FfnKind.GeluTanh, DModel, 512, bias: true).WithNorms(Norm),
            """
            FfnSpec.Create(FfnKind.GeluTanh, dModel: 128, dFf: 512, bias: true)
                .WithNorms(new NormSpec(NormKind.Rms, 1e-5f))
            """,
            1),
        new(
            "swiglu",
            FfnSpec.Create(FfnKind.SwiGlu, DModel, 344).WithNorms(Norm),
            """
            FfnSpec.Create(FfnKind.SwiGlu, dModel: 128, dFf: 344)
                .WithNorms(new NormSpec(NormKind.Rms, 1e-5f))
            """,
            2),
        new(
            "mixture",
            FfnSpec.Create(FfnKind.SwiGlu, DModel, 256).WithNorms(Norm).WithExperts(new MixtureSpec(8, 2)),
            """
            FfnSpec.Create(FfnKind.SwiGlu, dModel: 128, dFf: 256)
                .WithNorms(new NormSpec(NormKind.Rms, 1e-5f))
                .WithExperts(new MixtureSpec(Experts: 8, TopK: 2))
            """,
            3),
    ];

    /// <summary>The sample that a served layer is; null where it is none.</summary>
    public static SampleModel? Of(FfnLayerInfo layer) => All.FirstOrDefault(sample => ReferenceEquals(sample.Spec, layer.Spec));

    /// <summary>Adds the samples where there is no other model.</summary>
    /// <param name="options">The options as they are configured.</param>
    /// <param name="log">Told of it, as a server whose configuration was not found would do the same.</param>
    public static void AddWhereNone(NativeFfnOptions options, ILogger<SampleModel> log)
    {
        if (options.Models.Count > 0)
        {
            return;
        }

        foreach (SampleModel sample in All)
        {
            options.AddLayer(sample.Name, sample.Spec, sample.Weights);
        }

        SampleLog.Served(log, string.Join(", ", All.Select(static sample => sample.Name)));
    }
}

/// <summary>What is logged of samples.</summary>
internal static partial class SampleLog
{
    [LoggerMessage(
        1, LogLevel.Warning,
        "NativeFfn:Models is empty, so samples with random weights are served: {Names}. Name a checkpoint by --model PATH.")]
    public static partial void Served(ILogger logger, string names);
}
