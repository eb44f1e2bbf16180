using NativeFfn.Hosting;
using NativeFfn.Hosting.Batching;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Hosting;

/// <summary>A request of a test with the answer that it must have.</summary>
internal sealed class FfnCall
{
    private readonly float[] _input;
    private readonly float[] _output;
    private readonly FfnLayer _layer;
    private readonly FfnMode _mode;

    /// <summary>Sends it.</summary>
    /// <remarks>What the engine can run at once runs before this returns, unless it is sent from a thread apart.</remarks>
    public FfnCall(IFfnClient client, string layer, int tokens, int seed, FfnRequestOptions options, CancellationToken cancellationToken,
        bool apart = false)
    {
        _layer = client.GetLayer(layer);
        _mode = options.Mode;
        _input = RandomLayers.IntegerRows(tokens, _layer.Spec.InputWidth, seed, 3);
        _output = new float[tokens * _layer.Spec.OutputWidth];
        Task = apart ? Task.Run(Send, CancellationToken.None) : Send();

        Task Send() => client.ForwardAsync(layer, _input, _output, options, cancellationToken).AsTask();
    }

    public Task Task { get; }

    /// <summary>Awaits the answer, which has to be the bits that the layer gives these rows alone.</summary>
    public async Task AssertAnsweredAsync()
    {
        await Task;
        float[] expected = new float[_output.Length];
        LayerForwards.Run(_layer, _mode, _input, expected);
        Assert.That(_output, Is.EqualTo(expected));
        Assert.That(expected, Has.Some.Not.Zero, "a layer that gives zeros tells nothing");
    }
}
