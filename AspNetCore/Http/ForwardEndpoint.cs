using System.Buffers;
using System.IO.Pipelines;
using NativeFfn.AspNetCore.Json;
using NativeFfn.Hosting;

namespace NativeFfn.AspNetCore.Http;

/// <summary>
/// <c>POST /v1/layers/{model}/{index}/forward</c>: rows in, rows out, as little-endian float32 (<c>application/octet-stream</c>) or JSON,
/// the answer in the form of the request.
/// </summary>
/// <remarks>
/// NaN and infinities are numbers like any other: they go through the formula as IEEE 754 says and reach the rows that they came in, and no
/// other ones. JSON has no such numbers, so they are the strings <c>"NaN"</c>, <c>"Infinity"</c> and <c>"-Infinity"</c> there.
/// </remarks>
internal sealed class ForwardEndpoint(IFfnClient client, LayerCatalog layers, RowMemory memory, long maxBytes, TimeProvider time)
{
    public const string Binary = "application/octet-stream";

    public async Task HandleAsync(HttpContext context)
    {
        long came = time.GetTimestamp();
        HttpRequest request = context.Request;
        FfnLayerInfo layer = layers.Find((string)request.RouteValues["model"]!, (string)request.RouteValues["index"]!);
        FfnRequestOptions forward = ForwardQuery.Read(request.QueryString);
        bool binary = MediaTypes.Is(request, Binary);
        if (!binary && !MediaTypes.IsJson(request))
        {
            throw new RequestException(
                ProblemKind.MediaType,
                $"Content-Type is '{request.ContentType}', but must be {Binary} (little-endian float32 rows) or application/json.");
        }

        BodyReader.RequireWithin(request, maxBytes);
        if (client.WouldRefuse(layer.Name, LeastTokens(request, layer, binary), out TimeSpan retryAfter))
        {
            // Before the body is read, and without an exception: what is turned away must not slow down what was accepted.
            await Problems.WriteQueueFullAsync(context, retryAfter);
            return;
        }

        using var input = new RowBuffer(memory);
        await using (EndReading(request.BodyReader, Left(forward.Deadline, came)))
        {
            await (binary
                ? ReadBinaryAsync(request, layer, input, context.RequestAborted)
                : ReadJsonAsync(request, layer, input, context.RequestAborted));
        }

        // In place where the layer can: half the memory for each request, and the answer lies where the rows are warm in the cache.
        FfnSpec spec = layer.Spec;
        using RowBuffer output = spec.KeepsWidth && spec.Stages.Length > 1 ? input : new RowBuffer(memory);
        output.Allocate(checked(input.Elements.Length / spec.InputWidth * spec.OutputWidth));
        forward = forward with { Deadline = Left(forward.Deadline, came) };
        await client.ForwardAsync(layer.Name, input.Elements, output.Elements, in forward, context.RequestAborted);
        await (binary ? WriteBinaryAsync(context.Response, output) : WriteJsonAsync(context.Response, layer, output));
    }

    // What the head tells: all rows of a binary body, and at least one of any other.
    private static int LeastTokens(HttpRequest request, FfnLayerInfo layer, bool binary)
    {
        if (!binary || request.ContentLength is not { } announced)
        {
            return 1;
        }

        RequireWholeRows(announced, layer);
        return (int)Math.Min(int.MaxValue, announced / (layer.Spec.InputWidth * sizeof(float)));
    }

    private static void RequireWholeRows(long bytes, FfnLayerInfo layer)
    {
        long row = (long)layer.Spec.InputWidth * sizeof(float);
        if (bytes == 0)
        {
            throw NoRows($"The body is empty; a row of '{layer.Name}' has {row} bytes.");
        }

        if (bytes % row != 0)
        {
            throw new RequestException(
                ProblemKind.BadRows,
                $"The body has {bytes} bytes, but a row of '{layer.Name}' has {layer.Spec.InputWidth} float32 elements, {row} bytes. " +
                "Send whole rows.");
        }
    }

    // Of a deadline that counts from the head on: a large body takes its time, above all where forwards have the processors.
    private TimeSpan? Left(TimeSpan? deadline, long came) =>
        deadline is { } whole ? TimeSpan.FromTicks(Math.Max(0, (whole - time.GetElapsedTime(came)).Ticks)) : null;

    // What is late is told at once, however much of it is still to come. A token would leave Kestrel's reader in the middle of a read.
    private ITimer? EndReading(PipeReader reader, TimeSpan? left) => left is { } after
        ? time.CreateTimer(static reader => ((PipeReader)reader!).CancelPendingRead(), reader, after, Timeout.InfiniteTimeSpan)
        : null;

    private async ValueTask ReadBinaryAsync(HttpRequest request, FfnLayerInfo layer, RowBuffer input, CancellationToken cancellation)
    {
        await BodyReader.ReadAsync(request, input, maxBytes, cancellation);
        RequireWholeRows(input.ByteCount, layer);
        input.SwapIfBigEndian();
    }

    private async ValueTask ReadJsonAsync(HttpRequest request, FfnLayerInfo layer, RowBuffer input, CancellationToken cancellation)
    {
        using var text = new RowBuffer(memory);
        await BodyReader.ReadAsync(request, text, maxBytes, cancellation);
        JsonRows.Read(text.Bytes, layer.Spec.InputWidth, input);
        if (input.ByteCount == 0)
        {
            throw NoRows("\"rows\" is empty.");
        }
    }

    // Nothing to do is a mistake of whoever asked: rows that were lost on the way.
    private static RequestException NoRows(string what) => new(ProblemKind.BadRows, $"{what} Send at least one row.");

    private static ValueTask<FlushResult> WriteBinaryAsync(HttpResponse response, RowBuffer output)
    {
        output.SwapIfBigEndian();
        response.ContentType = Binary;
        response.ContentLength = output.ByteCount;
        response.BodyWriter.Write(output.Bytes);
        return response.BodyWriter.FlushAsync();
    }

    private static ValueTask<FlushResult> WriteJsonAsync(HttpResponse response, FfnLayerInfo layer, RowBuffer output)
    {
        response.ContentType = MediaTypes.Json;
        JsonRows.Write(response.BodyWriter, output.Elements.Span, layer.Spec.OutputWidth);
        return response.BodyWriter.FlushAsync();
    }
}
