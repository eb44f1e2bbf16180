using System.Text.Json;
using NativeFfn.AspNetCore.Http;
using NativeFfn.AspNetCore.Json;
using NativeFfn.Hosting;
using NativeFfn.Server.Configuration;
using NativeFfn.Server.Json;

namespace NativeFfn.Server.Explorer;

/// <summary><c>POST /api/compute/ffn</c>: the trace behind the explorer page.</summary>
/// <remarks>It runs beside the queue, one request at a time, so that looking never takes more than its turn from serving.</remarks>
internal sealed class ComputeEndpoint(
    IFfnClient client, IFfnModels models, LayerCatalog layers, LayerProbe probe, RowMemory memory, ServerOptions options) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _turn = new(1, 1);

    public async Task HandleAsync(HttpContext context)
    {
        if (!MediaTypes.IsJson(context.Request))
        {
            throw new RequestException(
                ProblemKind.MediaType, $"Content-Type is '{context.Request.ContentType}', but must be {MediaTypes.Json}.");
        }

        BodyReader.RequireWithin(context.Request, options.MaxRequestBytes);
        ComputeRequest request = await ReadAsync(context);
        FfnLayerInfo layer = layers.Find(request.Layer);
        FfnMode mode = request.Mode is null ? FfnMode.Ffn : ForwardQuery.ParseMode(request.Mode);
        int tokens = TokensOf(request);
        if (request.Position < 0 || request.Position >= tokens)
        {
            throw new RequestException(ProblemKind.BadRequest, $"position is {request.Position}, but must be 0 to {tokens - 1}.");
        }

        using RowMemory.Share share = Reserve(layer, tokens);
        float[] rows = RowsOf(request, layer, tokens);
        if (!await _turn.WaitAsync(Patience, context.RequestAborted))
        {
            throw new RequestException(ProblemKind.QueueFull, "Others are looking into layers; try again.");
        }

        ComputeReply reply;
        try
        {
            if (!layer.IsLoaded)
            {
                await models.LoadAsync(layer.Model, context.RequestAborted);
            }

            reply = probe.Look(layer, client.GetLayer(layer.Name), request, mode, rows);
        }
        finally
        {
            _turn.Release();
        }

        context.Response.ContentType = MediaTypes.Json;
        await JsonSerializer.SerializeAsync(context.Response.Body, reply, ServerJson.Default.ComputeReply, context.RequestAborted);
    }

    public void Dispose() => _turn.Dispose();

    private async Task<ComputeRequest> ReadAsync(HttpContext context)
    {
        using var text = new RowBuffer(memory);
        await BodyReader.ReadAsync(context.Request, text, options.MaxRequestBytes, context.RequestAborted);
        try
        {
            return JsonSerializer.Deserialize(JsonText.Utf8(text.Bytes), ServerJson.Default.ComputeRequest)
                ?? throw new RequestException(ProblemKind.BadRequest, "The body is null; it must be an object with a layer.");
        }
        catch (JsonException bad)
        {
            throw new RequestException(
                ProblemKind.BadRequest,
                $"The JSON is not what this address takes, at {bad.Path ?? "$"}, line {bad.LineNumber + 1}, byte " +
                $"{bad.BytePositionInLine + 1}.");
        }
        catch (InvalidOperationException)
        {
            throw new RequestException(ProblemKind.BadRequest, JsonText.NoUnicode);
        }
    }

    private int TokensOf(ComputeRequest request)
    {
        int tokens = request switch
        {
            { Rows: { } given, Random: null } => given.Length,
            { Rows: null, Random: { } drawn } => drawn.Tokens,
            _ => throw new RequestException(ProblemKind.BadRequest, "Give either rows or random."),
        };
        return tokens >= 1 && tokens <= options.Explorer.MaxTokens
            ? tokens
            : throw new RequestException(
                ProblemKind.BadRequest, $"There are {tokens} rows, but must be 1 to {options.Explorer.MaxTokens}.");
    }

    // Inner values of a large layer are many times the body that asks for them.
    private RowMemory.Share Reserve(FfnLayerInfo layer, int tokens)
    {
        long bytes;
        try
        {
            bytes = LayerProbe.BytesOf(layer.Spec, tokens);
        }
        catch (OverflowException)
        {
            bytes = long.MaxValue;
        }

        return bytes <= options.MaxBufferedBytes
            ? memory.Reserve(bytes)
            : throw new RequestException(
                ProblemKind.BadRequest,
                $"The inner values of {tokens} rows of '{layer.Name}' take more than the {options.MaxBufferedBytes} bytes that are " +
                "allowed; ask for fewer.");
    }

    private static float[] RowsOf(ComputeRequest request, FfnLayerInfo layer, int tokens)
    {
        int width = layer.Spec.InputWidth;
        float[] rows = new float[tokens * width];
        if (request.Random is { } random)
        {
            var source = new Random(random.Seed);
            foreach (ref float value in rows.AsSpan())
            {
                value = (2f * source.NextSingle()) - 1f;
            }

            return rows;
        }

        for (int row = 0; row < tokens; row++)
        {
            float[]? given = request.Rows![row];
            if (given?.Length != width)
            {
                throw new RequestException(
                    ProblemKind.BadRows, $"Row {row} has {given?.Length ?? 0} elements; '{layer.Name}' takes {width}.");
            }

            given.CopyTo(rows, row * width);
        }

        return rows;
    }
}
