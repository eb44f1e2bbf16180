using NativeFfn.Hosting;

namespace NativeFfn.AspNetCore.Http;

/// <summary>Every error that a client can be told: its HTTP status, its name in <c>type</c> and its title (RFC 9457).</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Name">The last part of the problem's <c>type</c>.</param>
/// <param name="Title">The same for every occurrence.</param>
internal sealed record ProblemKind(int Status, string Name, string Title)
{
    public static readonly ProblemKind BadRequest = new(400, "bad-request", "The request cannot be understood");
    public static readonly ProblemKind BadRows = new(400, "bad-rows", "The rows do not fit the layer");
    public static readonly ProblemKind KeyMissing = new(401, "key-missing", "An API key is needed");
    public static readonly ProblemKind KeyWrong = new(403, "key-wrong", "The API key is not known");
    public static readonly ProblemKind NotLocal = new(403, "not-local", "Without API keys, only this machine is served");
    public static readonly ProblemKind NotFound = new(404, "not-found", "There is nothing at this address");
    public static readonly ProblemKind LayerUnknown = new(404, "layer-unknown", "There is no such layer");
    public static readonly ProblemKind BadMethod = new(405, "method", "The address does not take this method");
    public static readonly ProblemKind BodyTimeout = new(408, "body-timeout", "The body came too slowly");
    public static readonly ProblemKind BodyTooLarge = new(413, "body-too-large", "The body is too large");
    public static readonly ProblemKind MediaType = new(415, "media-type", "The body's type is not supported");
    public static readonly ProblemKind QueueFull = new(429, "queue-full", "Too much work is waiting");
    // What servers log for a client that went away; nobody receives it.
    public static readonly ProblemKind ClientGone = new(499, "client-gone", "The client went away");
    public static readonly ProblemKind Failed = new(500, "failed", "The server failed");
    public static readonly ProblemKind Unavailable = new(503, "unavailable", "The server is stopping, or its device failed");
    public static readonly ProblemKind Deadline = new(504, "deadline", "The deadline passed before the work was done");

    /// <summary>The problem's <c>type</c>.</summary>
    public string Type => $"urn:nativeffn:{Name}";

    /// <summary>Whether the answer says when to come back.</summary>
    public bool SaysWhenToRetry => Status is 429 or 503;

    // A client that was turned away comes back after this many seconds, unless the queue knows better.
    private const int DefaultRetrySeconds = 1;

    /// <summary>What a client is told of an exception: the kind, one sentence, and after how many seconds to come back.</summary>
    public static (ProblemKind Kind, string Detail, int? RetryAfter) Of(Exception error) => error switch
    {
        RequestException request => (request.Kind, request.Message, RetryOf(request.Kind)),
        FfnQueueFullException full => (QueueFull, full.Message, RetrySeconds(full.RetryAfter)),
        FfnDeadlineException late => (Deadline, late.Message, null),
        FfnLayerNotFoundException unknown => (LayerUnknown, unknown.Message, null),
        FfnUnavailableException gone => (Unavailable, gone.Message, DefaultRetrySeconds),
        DeviceFailedException => (Unavailable, "The GPU failed; the server's log says of what.", DefaultRetrySeconds),
        BadHttpRequestException { StatusCode: 413 } large => (BodyTooLarge, large.Message, null),
        BadHttpRequestException { StatusCode: 408 } slow => (BodyTimeout, slow.Message, null),
        BadHttpRequestException bad => (BadRequest, bad.Message, null),
        NotSupportedException unsupported => (BadRequest, unsupported.Message, null),
        ArgumentException argument => (BadRows, WithoutParameter(argument), null),

        // What went wrong inside is for the log, not for whoever asked.
        _ => (Failed, "The request was fine; the server's log says what went wrong.", null),
    };

    /// <summary>The kind of a status that ASP.NET answered with by itself.</summary>
    public static ProblemKind OfStatus(int status) => status switch
    {
        404 => NotFound,
        405 => BadMethod,
        408 => BodyTimeout,
        413 => BodyTooLarge,
        415 => MediaType,
        >= 500 => Failed,
        _ => BadRequest with { Status = status },
    };

    /// <summary>A time as Retry-After has it: whole seconds, at least one.</summary>
    public static int RetrySeconds(TimeSpan retryAfter) => Math.Max(1, (int)Math.Ceiling(retryAfter.TotalSeconds));

    private static int? RetryOf(ProblemKind kind) => kind.SaysWhenToRetry ? DefaultRetrySeconds : null;

    // The name of a C# parameter means nothing to whoever sent the request.
    private static string WithoutParameter(ArgumentException error)
    {
        int end = error.ParamName is null ? -1 : error.Message.IndexOf($" (Parameter '{error.ParamName}')", StringComparison.Ordinal);
        return end < 0 ? error.Message : error.Message[..end];
    }
}
