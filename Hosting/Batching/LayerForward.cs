namespace NativeFfn.Hosting.Batching;

/// <summary>How a batch is run: by the layer, unless a test stands in between.</summary>
internal delegate void LayerForward(FfnLayer layer, FfnMode mode, ReadOnlySpan<float> input, Span<float> output);

/// <summary>The layer's own forwards by mode.</summary>
internal static class LayerForwards
{
    public static void Run(FfnLayer layer, FfnMode mode, ReadOnlySpan<float> input, Span<float> output)
    {
        switch (mode)
        {
            case FfnMode.Ffn:
                layer.Forward(input, output);
                break;
            case FfnMode.Residual:
                layer.ForwardResidual(input, input, output);
                break;
            default:
                layer.ForwardBlock(input, output);
                break;
        }
    }
}
