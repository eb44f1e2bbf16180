using System.Buffers;
using System.IO.Pipelines;
using NativeFfn.Hosting;

namespace NativeFfn.AspNetCore.Http;

/// <summary>Reads a body into pooled memory, within a limit and never further than what arrives.</summary>
internal static class BodyReader
{
    /// <summary>Refuses a body that is announced as too large, before any of it is read.</summary>
    /// <exception cref="RequestException">It is.</exception>
    public static void RequireWithin(HttpRequest request, long limit)
    {
        if (request.ContentLength > limit)
        {
            throw TooLarge(request.ContentLength.Value, limit);
        }
    }

    /// <summary>Reads the whole body.</summary>
    /// <exception cref="RequestException">It is larger than the limit, or the client went away.</exception>
    /// <exception cref="FfnDeadlineException">The read was ended by <see cref="PipeReader.CancelPendingRead"/>.</exception>
    public static async ValueTask ReadAsync(HttpRequest request, RowBuffer destination, long limit, CancellationToken cancellation)
    {
        PipeReader reader = request.BodyReader;
        while (true)
        {
            ReadResult result = await ReadAsync(reader, cancellation);
            ReadOnlySequence<byte> arrived = result.Buffer;
            if (result.IsCanceled)
            {
                reader.AdvanceTo(arrived.Start);
                throw new FfnDeadlineException("The deadline passed before all of the body had come; nothing was run.");
            }

            if (destination.ByteCount + arrived.Length > limit)
            {
                throw TooLarge(destination.ByteCount + arrived.Length, limit);
            }

            foreach (ReadOnlyMemory<byte> piece in arrived)
            {
                destination.Append(piece.Span);
            }

            reader.AdvanceTo(arrived.End);
            if (result.IsCompleted)
            {
                return;
            }
        }
    }

    // A connection that is reset fails the read before anything else tells of it, and is no failure of the server.
    private static async ValueTask<ReadResult> ReadAsync(PipeReader reader, CancellationToken cancellation)
    {
        try
        {
            return await reader.ReadAsync(cancellation);
        }
        catch (IOException gone) when (gone is not BadHttpRequestException)
        {
            throw new RequestException(ProblemKind.ClientGone, "The client went away before all of the body had come.");
        }
    }

    /// <summary>The error of a body that is larger than the limit.</summary>
    public static RequestException TooLarge(long bytes, long limit) =>
        new(ProblemKind.BodyTooLarge, $"The body has {bytes} bytes or more; at most {limit} are taken. Send fewer rows at a time.");
}
