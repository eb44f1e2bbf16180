using Grpc.Core;
using NativeFfn.AspNetCore.Http;

namespace NativeFfn.AspNetCore.Rpc;

/// <summary>The same errors as over HTTP, as gRPC statuses.</summary>
internal static class RpcErrors
{
    // The trailer by which a server tells gRPC clients when to try again (gRPC proposal A6).
    private const string PushBack = "grpc-retry-pushback-ms";

    /// <summary>The status of an exception.</summary>
    public static Status StatusOf(Exception error)
    {
        if (error is OperationCanceledException)
        {
            return new Status(StatusCode.Cancelled, "The call was cancelled.");
        }

        (ProblemKind kind, string detail, _) = ProblemKind.Of(error);
        return new Status(CodeOf(kind), detail);
    }

    /// <summary>What a call that failed throws.</summary>
    public static RpcException ExceptionOf(Exception error)
    {
        var trailers = new Metadata();
        if (error is not OperationCanceledException && ProblemKind.Of(error).RetryAfter is { } seconds)
        {
            trailers.Add(PushBack, $"{seconds * 1000}");
        }

        return new RpcException(StatusOf(error), trailers);
    }

    private static StatusCode CodeOf(ProblemKind kind) => kind.Status switch
    {
        400 or 415 => StatusCode.InvalidArgument,
        401 => StatusCode.Unauthenticated,
        403 => StatusCode.PermissionDenied,
        404 => StatusCode.NotFound,
        413 or 429 => StatusCode.ResourceExhausted,
        503 => StatusCode.Unavailable,
        504 => StatusCode.DeadlineExceeded,
        _ => StatusCode.Internal,
    };
}
