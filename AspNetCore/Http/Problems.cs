using System.Globalization;
using System.Text.Json;
using NativeFfn.AspNetCore.Json;

namespace NativeFfn.AspNetCore.Http;

/// <summary>Turns every error of a request into <c>application/problem+json</c> (RFC 9457).</summary>
internal sealed partial class Problems(RequestDelegate next, ILogger<Problems> log)
{
    private static readonly byte[] QueueFull = Serialize(
        ProblemKind.QueueFull,
        "The queue has no room for the rows, so the body was not read. Send it again after the seconds that Retry-After says.");

    /// <summary>
    /// Answers a request that finds the queue full: always the same bytes, as there are most of these when there is least time.
    /// </summary>
    public static Task WriteQueueFullAsync(HttpContext context, TimeSpan retryAfter) =>
        WriteAsync(context, ProblemKind.QueueFull, QueueFull, ProblemKind.RetrySeconds(retryAfter));

    public Task InvokeAsync(HttpContext context)
    {
        Task done;
        try
        {
            done = next(context);
        }
        catch (Exception error)
        {
            return AnswerAsync(context, error);
        }

        return done.IsCompletedSuccessfully && context.Response.StatusCode < 400 ? done : AwaitAsync(context, done);
    }

    private async Task AwaitAsync(HttpContext context, Task done)
    {
        try
        {
            await done;
        }
        catch (Exception error)
        {
            await AnswerAsync(context, error);
            return;
        }

        HttpResponse response = context.Response;
        if (response.StatusCode >= 400 && !response.HasStarted && response.ContentType is null)
        {
            ProblemKind kind = ProblemKind.OfStatus(response.StatusCode);
            await WriteAsync(context, kind, Serialize(kind, $"{context.Request.Method} {context.Request.Path}"), null);
        }
    }

    private Task AnswerAsync(HttpContext context, Exception error)
    {
        if (context.RequestAborted.IsCancellationRequested)
        {
            context.Response.StatusCode = ProblemKind.ClientGone.Status;
            return Task.CompletedTask;
        }

        (ProblemKind kind, string detail, int? retryAfter) = ProblemKind.Of(error);
        if (kind.Status == 500)
        {
            LogFailure(log, error, context.Request.Path);
        }

        if (context.Response.HasStarted)
        {
            // Half an answer was sent: the client must not take it for a whole one.
            context.Abort();
            return Task.CompletedTask;
        }

        return WriteAsync(context, kind, Serialize(kind, detail), retryAfter);
    }

    private static Task WriteAsync(HttpContext context, ProblemKind kind, byte[] body, int? retryAfter)
    {
        HttpResponse response = context.Response;
        string? allow = response.Headers.Allow;
        response.Clear();
        response.StatusCode = kind.Status;
        response.ContentType = "application/problem+json";
        response.Headers.CacheControl = "no-store";
        response.Headers.XContentTypeOptions = "nosniff";
        if (allow is not null)
        {
            response.Headers.Allow = allow;
        }

        if (kind == ProblemKind.KeyMissing)
        {
            response.Headers.WWWAuthenticate = "Bearer";
        }

        if (kind == ProblemKind.Unavailable)
        {
            response.Headers.Connection = "close";
        }

        if (retryAfter is { } seconds)
        {
            response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        }

        response.ContentLength = body.Length;
        return response.Body.WriteAsync(body, 0, body.Length);
    }

    private static byte[] Serialize(ProblemKind kind, string detail) => JsonSerializer.SerializeToUtf8Bytes(
        new Problem(kind.Type, kind.Title, kind.Status, detail), EndpointJson.Readable.Problem);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Path} failed")]
    private static partial void LogFailure(ILogger log, Exception error, string path);
}

/// <summary>The members of a problem that every error has.</summary>
internal sealed record Problem(string Type, string Title, int Status, string Detail);
