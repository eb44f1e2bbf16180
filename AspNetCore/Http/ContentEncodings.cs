using System.IO.Compression;
using System.IO.Pipelines;
using Microsoft.Extensions.Primitives;

namespace NativeFfn.AspNetCore.Http;

/// <summary>Decompresses bodies as their <c>Content-Encoding</c> says: <c>gzip</c>, <c>br</c> or <c>deflate</c>, one of them.</summary>
/// <param name="next">Reads the body.</param>
/// <param name="limit">Bytes that may arrive, and that may come out.</param>
internal sealed class ContentEncodings(RequestDelegate next, long limit)
{
    private const string Rpc = "application/grpc";

    // Set by the package's targets. Without it, a stream that ends early would be fewer rows, and nobody the wiser.
    private const string StrictValidation = "System.IO.Compression.UseStrictValidation";

    private static readonly bool EndsAreChecked = AppContext.TryGetSwitch(StrictValidation, out bool isOn) && isOn;

    public Task InvokeAsync(HttpContext context)
    {
        StringValues encodings = context.Request.Headers.ContentEncoding;
        return StringValues.IsNullOrEmpty(encodings) ? next(context) : DecodeAsync(context, encodings.ToString());
    }

    private async Task DecodeAsync(HttpContext context, string encoding)
    {
        HttpRequest request = context.Request;
        if (request.ContentType?.StartsWith(Rpc, StringComparison.OrdinalIgnoreCase) == true)
        {
            throw new RequestException(
                ProblemKind.MediaType, $"Content-Encoding is '{encoding}', but gRPC compresses message by message (grpc-encoding).");
        }

        BodyReader.RequireWithin(request, limit);
        PipeReader source = request.BodyReader;
        Stream? decoded = Decode(encoding.Trim(), new ReceivedBody(source));
        request.Headers.ContentEncoding = default;
        if (decoded is null)
        {
            await next(context);
            return;
        }

        // The length is that of the compressed bytes, which says nothing about rows.
        request.ContentLength = null;
        await using var body = new DecodedBody(decoded, source, encoding, limit);
        request.Body = body;
        await next(context);
    }

    private static Stream? Decode(string encoding, Stream body) => encoding.ToLowerInvariant() switch
    {
        "identity" => null,
        "gzip" or "x-gzip" or "br" or "deflate" when !EndsAreChecked => throw new RequestException(
            ProblemKind.MediaType,
            $"Content-Encoding is '{encoding}', but this application was built without {StrictValidation}, so that a body that ends " +
            "early would not be noticed. Send the body uncompressed."),
        "gzip" or "x-gzip" => new GZipStream(body, CompressionMode.Decompress, leaveOpen: true),
        "br" => new BrotliStream(body, CompressionMode.Decompress, leaveOpen: true),
        "deflate" => new ZLibStream(body, CompressionMode.Decompress, leaveOpen: true),
        _ => throw new RequestException(
            ProblemKind.MediaType, $"Content-Encoding is '{encoding}', but must be one of gzip, br and deflate, or left out."),
    };
}
