using System.Collections.Immutable;
using System.Text.Json;
using NativeFfn.Hosting;
using NativeFfn.Server.Json;

namespace NativeFfn.Server.Http;

/// <summary><c>GET /v1/layers</c>: what can be asked for.</summary>
internal sealed class LayersEndpoint(IFfnClient client)
{
    public async Task HandleAsync(HttpContext context)
    {
        var list = new LayerList([.. client.Layers.Select(Describe)]);
        context.Response.ContentType = MediaTypes.Json;
        await JsonSerializer.SerializeAsync(context.Response.Body, list, ServerJson.Default.LayerList, context.RequestAborted);
    }

    private LayerEntry Describe(FfnLayerInfo layer)
    {
        FfnSpec spec = layer.Spec;
        ImmutableArray<string> modes = spec.KeepsWidth
            ? spec.WhyNoBlock is null ? ["ffn", "residual", "block"] : ["ffn", "residual"] : ["ffn"];
        return new LayerEntry(
            layer.Name,
            spec.Kind.Name,
            spec.InputWidth,
            spec.OutputWidth,
            [.. spec.Stages[..^1].Select(static stage => stage.Width)],
            modes,
            layer.WeightBytes,
            client.GetLayer(layer.Name).Engine.Backend.Name);
    }
}

/// <summary>The answer of <c>GET /v1/layers</c>.</summary>
internal sealed record LayerList(ImmutableArray<LayerEntry> Layers);

/// <summary>One layer; widths in elements.</summary>
internal sealed record LayerEntry(
    string Name,
    string Kind,
    int InputWidth,
    int OutputWidth,
    ImmutableArray<int> HiddenWidths,
    ImmutableArray<string> Modes,
    long WeightBytes,
    string Backend);
