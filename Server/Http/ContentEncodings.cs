using System.IO.Compression;
using Microsoft.Extensions.Primitives;
using NativeFfn.Server.Configuration;

namespace NativeFfn.Server.Http;

/// <summary>Decompresses bodies as their <c>Content-Encoding</c> says: <c>gzip</c>, <c>br</c> or <c>deflate</c>, one of them.</summary>
/// <remarks>What arrives and what comes out are each bounded by <see cref="ServerOptions.MaxRequestBytes"/>.</remarks>
internal sealed class ContentEncodings(RequestDelegate next, ServerOptions options)
{
    private const string Rpc = "application/grpc";

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

        BodyReader.RequireWithin(request, options.MaxRequestBytes);
        Stream? decoded = Decode(encoding.Trim(), request.Body);
        request.Headers.ContentEncoding = default;
        if (decoded is null)
        {
            await next(context);
            return;
        }

        // The length is that of the compressed bytes, which says nothing about rows.
        request.ContentLength = null;
        await using var body = new DecodedBody(decoded, encoding, options.MaxRequestBytes);
        request.Body = body;
        await next(context);
    }

    private static Stream? Decode(string encoding, Stream body) => encoding.ToLowerInvariant() switch
    {
        "identity" => null,
        "gzip" or "x-gzip" => new GZipStream(body, CompressionMode.Decompress, leaveOpen: true),
        "br" => new BrotliStream(body, CompressionMode.Decompress, leaveOpen: true),
        "deflate" => new ZLibStream(body, CompressionMode.Decompress, leaveOpen: true),
        _ => throw new RequestException(
            ProblemKind.MediaType, $"Content-Encoding is '{encoding}', but must be one of gzip, br and deflate, or left out."),
    };
}
