using Microsoft.Extensions.DependencyInjection;
using NativeFfn.Hosting;

namespace NativeFfn.Tests.Server;

/// <summary>Layers that answer as a test wants, in place of an engine.</summary>
/// <param name="forward">Given input, output and the cancellation of a forward.</param>
internal sealed class FakeClient(Func<ReadOnlyMemory<float>, Memory<float>, CancellationToken, Task> forward) : IFfnClient
{
    /// <summary>Whether the queue is full, by the tokens that are asked for.</summary>
    public Func<int, bool> IsFull { get; init; } = static _ => false;

    /// <summary>What the last forward asked for.</summary>
    public FfnRequestOptions Asked { get; private set; }

    public IReadOnlyList<FfnLayerInfo> Layers { get; } =
        [new FfnLayerInfo("model/1", "model", 1, FfnSpec.Create(FfnKind.SwiGlu, ServerUnderTest.Width, 40), 0)];

    /// <summary>A server whose forwards fail.</summary>
    public static Task<ServerUnderTest> StartFailingAsync(Exception error) =>
        StartAsync((_, _, _) => Task.FromException(error));

    /// <summary>A server with forwards of the test's own.</summary>
    public static Task<ServerUnderTest> StartAsync(Func<ReadOnlyMemory<float>, Memory<float>, CancellationToken, Task> forward) =>
        ServerUnderTest.StartAsync(services => services.AddSingleton<IFfnClient>(new FakeClient(forward)));

    public ValueTask ForwardAsync(string layer, ReadOnlyMemory<float> input, Memory<float> output, CancellationToken cancellationToken) =>
        new(forward(input, output, cancellationToken));

    public ValueTask ForwardAsync(
        string layer, ReadOnlyMemory<float> input, Memory<float> output, in FfnRequestOptions options,
        CancellationToken cancellationToken)
    {
        Asked = options;
        return new ValueTask(forward(input, output, cancellationToken));
    }

    public bool WouldRefuse(string layer, int tokens, out TimeSpan retryAfter)
    {
        retryAfter = TimeSpan.FromSeconds(1.5);
        return IsFull(tokens);
    }

    public FfnLayer GetLayer(string layer) => throw new FfnLayerNotFoundException(layer, "There is none.");
}
