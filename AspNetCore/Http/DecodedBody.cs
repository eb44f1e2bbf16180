using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace NativeFfn.AspNetCore.Http;

/// <summary>A body that is decompressed while it is read, up to a limit.</summary>
/// <param name="decoded">The decompressed bytes.</param>
/// <param name="source">What the compressed bytes come from.</param>
/// <param name="encoding">The name of the encoding, for errors.</param>
/// <param name="limit">Bytes that may come out.</param>
internal sealed class DecodedBody(Stream decoded, PipeReader source, string encoding, long limit) : BodyStream
{
    private long _bytes;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int read;
        try
        {
            using CancellationTokenRegistration end = cancellationToken.UnsafeRegister(
                static source => ((PipeReader)source!).CancelPendingRead(), source);
            read = await decoded.ReadAsync(buffer, CancellationToken.None);
        }
        catch (Exception broken) when (broken is InvalidDataException or InvalidOperationException || IsOfDecoder(broken))
        {
            throw new RequestException(
                ProblemKind.BadRequest, $"The body ends or breaks in what should be {encoding}, as Content-Encoding says.");
        }

        _bytes += read;
        return _bytes <= limit ? read : throw BodyReader.TooLarge(_bytes, limit);
    }

    public override async ValueTask DisposeAsync()
    {
        await decoded.DisposeAsync();
        await base.DisposeAsync();
    }

    // zlib has an error of its own for streams that want a dictionary; what the connection throws says what is wrong itself.
    private static bool IsOfDecoder(Exception broken) =>
        broken is IOException and not (BadHttpRequestException or ConnectionResetException);
}
