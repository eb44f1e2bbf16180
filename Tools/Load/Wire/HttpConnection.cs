using System.Buffers.Text;
using System.Net;
using System.Net.Sockets;

namespace NativeFfn.Load.Wire;

/// <summary>What a server answered.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Body">Valid until the connection's next request.</param>
/// <param name="RetryAfter">Seconds, or −1 where the header is missing.</param>
/// <param name="Closing">Whether the server closes the connection after it.</param>
internal readonly record struct Answer(int Status, ReadOnlyMemory<byte> Body, int RetryAfter, bool Closing);

/// <summary>The server closed a connection instead of answering, or broke off within an answer.</summary>
/// <param name="partly">Whether some of the answer had come.</param>
internal sealed class ConnectionEndedException(bool partly) : IOException(partly ? "half an answer came" : "no answer came")
{
    public bool Partly { get; } = partly;
}

/// <summary>One HTTP/1.1 connection that sends prepared bytes and reads answers with a length into one buffer.</summary>
/// <remarks>
/// Far cheaper than a general client, so that on a machine shared with the server the load generator stays out of its way.
/// </remarks>
internal sealed class HttpConnection : IDisposable
{
    private static readonly byte[] EndOfHead = "\r\n\r\n"u8.ToArray();

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private byte[] _buffer = new byte[96 * 1024];

    private HttpConnection()
    {
    }

    /// <summary>The connection itself, for doing with it what no well-behaved client does.</summary>
    public Socket Socket => _socket;

    public static async Task<HttpConnection> OpenAsync(int port)
    {
        var connection = new HttpConnection();
        try
        {
            await connection._socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Sends a whole request and reads the whole answer.</summary>
    /// <exception cref="ConnectionEndedException">The server closed the connection.</exception>
    public async ValueTask<Answer> SendAsync(ReadOnlyMemory<byte> request)
    {
        await WriteAsync(request);
        return await ReadAsync();
    }

    /// <summary>Sends a whole request: all of it but what fits the system's buffers was read by the server then.</summary>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> request)
    {
        try
        {
            for (int sent = 0; sent < request.Length;)
            {
                sent += await _socket.SendAsync(request[sent..]);
            }
        }
        catch (SocketException)
        {
            // It may have answered and closed before it read everything, as it does with bodies that are too large.
        }
    }

    /// <summary>Reads one answer.</summary>
    /// <exception cref="ConnectionEndedException">The server closed the connection.</exception>
    public async ValueTask<Answer> ReadAsync()
    {
        int read = 0;
        int head;
        while ((head = _buffer.AsSpan(0, read).IndexOf(EndOfHead)) < 0)
        {
            read = await ReadMoreAsync(read);
        }

        int bodyAt = head + EndOfHead.Length;
        Answer answer = ParseHead(_buffer.AsSpan(0, bodyAt), out int length);
        if (bodyAt + length > _buffer.Length)
        {
            Array.Resize(ref _buffer, bodyAt + length);
        }

        while (read < bodyAt + length)
        {
            read = await ReadMoreAsync(read);
        }

        return answer with { Body = _buffer.AsMemory(bodyAt, length) };
    }

    /// <summary>Ends the connection with a reset, as a process that was killed leaves it.</summary>
    public void Reset()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Close();
    }

    public void Dispose() => _socket.Dispose();

    private async ValueTask<int> ReadMoreAsync(int read)
    {
        int more;
        try
        {
            more = await _socket.ReceiveAsync(_buffer.AsMemory(read));
        }
        catch (SocketException)
        {
            more = 0;
        }

        return more > 0 ? read + more : throw new ConnectionEndedException(read > 0);
    }

    private static Answer ParseHead(ReadOnlySpan<byte> head, out int length)
    {
        int status = Number(head, "HTTP/1.1 "u8);
        length = Number(head, "\r\nContent-Length: "u8) is var known and >= 0 ? known : 0;
        return new Answer(status, default, Number(head, "\r\nRetry-After: "u8), head.IndexOf("\r\nConnection: close\r\n"u8) >= 0);
    }

    private static int Number(ReadOnlySpan<byte> head, ReadOnlySpan<byte> name)
    {
        int at = head.IndexOf(name);
        return at >= 0 && Utf8Parser.TryParse(head[(at + name.Length)..], out int value, out _) ? value : -1;
    }
}
