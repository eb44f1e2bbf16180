using System.Collections.Immutable;

namespace NativeFfn.Cli.Layers;

/// <summary>One layer in <c>layers --json</c>.</summary>
/// <param name="Layer">The layer, from 0.</param>
/// <param name="Kind">The layer's kind; null where it cannot run.</param>
/// <param name="DModel">d_model.</param>
/// <param name="DFf">d_ff; of one expert in a mixture.</param>
/// <param name="Experts">Experts of a mixture; 0 for a dense layer.</param>
/// <param name="TopK">Experts that a token is sent to; 0 for a dense layer.</param>
/// <param name="SharedDFf">d_ff of the network that every token goes through beside its experts; 0 for none.</param>
/// <param name="WeightType">Element type of the stored matrices.</param>
/// <param name="Bytes">Bytes of all the layer's tensors as they are stored.</param>
/// <param name="Block">What a block computes, or why there is none.</param>
/// <param name="Problem">Why the layer cannot run; null where it can.</param>
internal sealed record LayerRow(
    int Layer, string? Kind, int DModel, int DFf, int Experts, int TopK, int SharedDFf, string? WeightType, long Bytes, string? Block, string? Problem);

/// <summary>The answer of <c>layers --json</c>.</summary>
/// <param name="Model">The checkpoint.</param>
/// <param name="Family">The model's type.</param>
/// <param name="Layers">Every layer.</param>
internal sealed record LayersReport(string Model, string Family, ImmutableArray<LayerRow> Layers);
