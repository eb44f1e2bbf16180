using System.Runtime.CompilerServices;

namespace NativeFfn.Hosting;

/// <summary>Runs rows through the layers that a server holds; waiting requests of the same layer and mode are run together.</summary>
/// <remarks>
/// <para>
/// A layer's name is <c>model/index</c>, such as <c>llama/3</c>; where there is one model, the bare index names it too. Rows are row-major
/// float32 <c>[tokens, InputWidth]</c> and <c>[tokens, OutputWidth]</c>. Memory handed over belongs to the request until it has completed.
/// The output may be the very same memory as the input where <see cref="FfnLayer"/> allows it; any other overlap is refused.
/// </para>
/// <para>
/// Arguments are checked at the call, so that a bad request never meets another; everything else comes out of the awaited task, which must
/// be awaited once. Safe for use by several threads at once. In the steady state a request allocates nothing.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// IFfnClient client = services.GetRequiredService&lt;IFfnClient>();
/// await client.ForwardAsync("made/0", input, output, cancellationToken);
/// await client.ForwardAsync("made/0", input, output, new(FfnMode.Residual, Deadline: TimeSpan.FromSeconds(1)), cancellationToken);
/// </code>
/// </example>
public interface IFfnClient
{
    /// <summary>The layers that are served, those of unloaded models among them, by model and in its order.</summary>
    /// <exception cref="FfnUnavailableException">The layers are not loaded yet.</exception>
    IReadOnlyList<FfnLayerInfo> Layers { get; }

    /// <summary>y = FFN(x), with the default deadline.</summary>
    /// <param name="layer">The layer's name.</param>
    /// <param name="input">x, <c>[tokens, InputWidth]</c>; not to be changed before completion.</param>
    /// <param name="output">y, <c>[tokens, OutputWidth]</c>; undefined until completion, and after a failure.</param>
    /// <param name="cancellationToken">Takes a waiting request out of the queue; one that already runs completes.</param>
    /// <exception cref="ArgumentException">
    /// A length does not fit the layer, memory overlaps in part, or there are more tokens than the queue ever holds.
    /// </exception>
    /// <exception cref="FfnLayerNotFoundException">There is no such layer; the message names those that exist.</exception>
    /// <exception cref="FfnQueueFullException">So many tokens wait that these do not fit; says when to try again.</exception>
    /// <exception cref="FfnDeadlineException">The deadline passed before the request was run.</exception>
    /// <exception cref="FfnUnavailableException">
    /// The engine is not started, shut down, or broken; or the model was unloaded and cannot be loaded again.
    /// </exception>
    /// <exception cref="OperationCanceledException">The request was cancelled before it was run.</exception>
    ValueTask ForwardAsync(string layer, ReadOnlyMemory<float> input, Memory<float> output, CancellationToken cancellationToken);

    /// <summary>Any mode, with a deadline of the request's own; y = FFN(x) with the default deadline where no options are given.</summary>
    /// <remarks><c>new(FfnMode.Residual)</c> is taken for these options, and never for a token of cancellation.</remarks>
    /// <param name="layer">The layer's name.</param>
    /// <param name="input">x, <c>[tokens, InputWidth]</c>; not to be changed before completion.</param>
    /// <param name="output">y, <c>[tokens, OutputWidth]</c>; undefined until completion, and after a failure.</param>
    /// <param name="options">Mode and deadline.</param>
    /// <param name="cancellationToken">Takes a waiting request out of the queue; one that already runs completes.</param>
    /// <exception cref="ArgumentException">
    /// A length does not fit the layer, memory overlaps in part, or there are more tokens than the queue ever holds.
    /// </exception>
    /// <exception cref="NotSupportedException">The layer has no such mode; the message says why.</exception>
    /// <exception cref="FfnLayerNotFoundException">There is no such layer; the message names those that exist.</exception>
    /// <exception cref="FfnQueueFullException">So many tokens wait that these do not fit; says when to try again.</exception>
    /// <exception cref="FfnDeadlineException">The deadline passed before the request was run.</exception>
    /// <exception cref="FfnUnavailableException">
    /// The engine is not started, shut down, or broken; or the model was unloaded and cannot be loaded again.
    /// </exception>
    /// <exception cref="OperationCanceledException">The request was cancelled before it was run.</exception>
    [OverloadResolutionPriority(1)]
    ValueTask ForwardAsync(
        string layer,
        ReadOnlyMemory<float> input,
        Memory<float> output,
        in FfnRequestOptions options = default,
        CancellationToken cancellationToken = default);

    /// <summary>Whether a request of so many tokens would find the queue full, for servers to ask before they read its rows.</summary>
    /// <remarks>
    /// A true is for turning the request away, and counted as a rejection. A false promises nothing: others may be faster, and every other
    /// reason to fail is left to the forward itself. Allocates nothing.
    /// </remarks>
    /// <param name="layer">The layer's name.</param>
    /// <param name="tokens">The request's tokens, or as many as it has at least.</param>
    /// <param name="retryAfter">When to try again, if true; as in <see cref="FfnQueueFullException.RetryAfter"/>.</param>
    /// <exception cref="FfnLayerNotFoundException">There is no such layer; the message names those that exist.</exception>
    bool WouldRefuse(string layer, int tokens, out TimeSpan retryAfter);

    /// <summary>The layer itself, for synchronous forwards past the queue and for <see cref="FfnLayer.Inspect"/>.</summary>
    /// <remarks>
    /// It belongs to the server and must not be disposed; after shutdown, and once its model was replaced or unloaded, it throws
    /// <see cref="ObjectDisposedException"/>.
    /// </remarks>
    /// <param name="layer">The layer's name.</param>
    /// <exception cref="FfnLayerNotFoundException">There is no such layer; the message names those that exist.</exception>
    /// <exception cref="FfnUnavailableException">
    /// The layers are not loaded yet, or not any more; or the layer's model is not in memory (<see cref="IFfnModels.LoadAsync"/>).
    /// </exception>
    FfnLayer GetLayer(string layer);
}
