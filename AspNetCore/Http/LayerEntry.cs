using System.Collections.Immutable;
using NativeFfn.Hosting;

namespace NativeFfn.AspNetCore.Http;

/// <summary>The answer of <c>GET /v1/layers</c>.</summary>
/// <param name="Layers">The layers, in the order in which they were loaded.</param>
internal sealed record LayerList(ImmutableArray<LayerEntry> Layers);

/// <summary>A layer as clients are told of it.</summary>
/// <param name="Name">What requests call it.</param>
/// <param name="Kind">Its kind.</param>
/// <param name="InputWidth">Elements of a row going in.</param>
/// <param name="OutputWidth">Elements of a row coming out.</param>
/// <param name="HiddenWidths">Elements of the hidden rows.</param>
/// <param name="Modes">What can be asked for.</param>
/// <param name="Experts">A mixture's experts; null where the layer is dense.</param>
/// <param name="TopK">How many of them a token is sent to; null where the layer is dense.</param>
/// <param name="WeightBytes">Bytes of the weights in the backend's memory while they are there.</param>
/// <param name="Loaded">Whether they are; else a request loads the layer's model first, and what follows is null.</param>
/// <param name="Precision">What the engine was asked to keep weights in.</param>
/// <param name="Encodings">The encodings that the matrices are kept in.</param>
/// <param name="Backend">What computes.</param>
/// <param name="BackendVersion">Its processor, libraries and vectors.</param>
/// <param name="Threads">Threads that one forward uses at most.</param>
/// <param name="Gemms">Which GEMM multiplies how many tokens.</param>
internal sealed record LayerEntry(
    string Name,
    string Kind,
    int InputWidth,
    int OutputWidth,
    ImmutableArray<int> HiddenWidths,
    ImmutableArray<string> Modes,
    int? Experts,
    int? TopK,
    long WeightBytes,
    bool Loaded,
    string? Precision,
    ImmutableArray<string>? Encodings,
    string? Backend,
    string? BackendVersion,
    int? Threads,
    string? Gemms)
{
    /// <summary>Describes a layer.</summary>
    /// <param name="info">What the host says of it.</param>
    /// <param name="layer">The layer; null where it is not in memory.</param>
    public static LayerEntry Of(FfnLayerInfo info, FfnLayer? layer)
    {
        FfnSpec spec = info.Spec;
        FfnEngine? engine = layer?.Engine;
        return new LayerEntry(
            info.Name,
            spec.Kind.Name,
            spec.InputWidth,
            spec.OutputWidth,
            [.. spec.Stages[..^1].Select(static stage => stage.Width)],
            [.. spec.Modes.Select(Names<FfnMode>.Of)],
            spec.Mixture?.Experts,
            spec.Mixture?.TopK,
            info.WeightBytes,
            layer is not null,
            engine is null ? null : Names<FfnPrecision>.Of(engine.Precision),
            layer is null ? null : [.. layer.Encodings.Split('+')],
            engine?.Backend.Name,
            engine?.Backend.Version,
            engine?.Backend.Threads,
            layer?.Gemms);
    }
}
