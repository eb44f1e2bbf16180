using Microsoft.AspNetCore.Connections;

namespace NativeFfn.AspNetCore.Http;

/// <summary>A body that is decompressed while it is read, up to a limit.</summary>
/// <param name="decoded">The decompressed bytes.</param>
/// <param name="encoding">The name of the encoding, for errors.</param>
/// <param name="limit">Bytes that may come out.</param>
internal sealed class DecodedBody(Stream decoded, string encoding, long limit) : Stream
{
    private long _bytes;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int read;
        try
        {
            read = await decoded.ReadAsync(buffer, cancellationToken);
        }
        catch (Exception broken) when (broken is InvalidDataException or InvalidOperationException || IsOfDecoder(broken))
        {
            throw new RequestException(
                ProblemKind.BadRequest, $"The body ends or breaks in what should be {encoding}, as Content-Encoding says.");
        }

        _bytes += read;
        return _bytes <= limit ? read : throw BodyReader.TooLarge(_bytes, limit);
    }

    // zlib has an error of its own for streams that want a dictionary; what the connection throws says what is wrong itself.
    private static bool IsOfDecoder(Exception broken) =>
        broken is IOException and not (BadHttpRequestException or ConnectionResetException);

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override async ValueTask DisposeAsync()
    {
        await decoded.DisposeAsync();
        await base.DisposeAsync();
    }
}
