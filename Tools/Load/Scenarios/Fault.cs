using System.Runtime.InteropServices;
using System.Text;
using NativeFfn.Load.Wire;

namespace NativeFfn.Load.Scenarios;

/// <summary>Something that clients do and should not, with the status that it must get; 0 where nobody is left to be told.</summary>
/// <param name="Name">What is done.</param>
/// <param name="Status">What must come back.</param>
/// <param name="CommitAsync">Does it and gives what came back.</param>
internal sealed record Fault(string Name, int Status, Func<HttpConnection, Task<Answer>> CommitAsync)
{
    private const string Json = "application/json";

    /// <summary>Every fault.</summary>
    /// <param name="requests">Good requests, to be damaged.</param>
    /// <param name="key">The header line with a key.</param>
    public static Fault[] All(RequestSet requests, string key)
    {
        ForwardRequest good = requests.Requests[^1];
        int row = requests.Spec.InputWidth * sizeof(float);
        return
        [
            new("disconnect after the request", 0, connection => SendAndLeaveAsync(connection, good.Bytes, reset: false)),
            new("reset after the request", 0, connection => SendAndLeaveAsync(connection, good.Bytes, reset: true)),
            new("half a body, then gone", 0, connection => SendAndLeaveAsync(
                connection, good.Bytes.AsMemory(0, good.Bytes.Length / 2), reset: false)),
            new("half a body, then reset", 0, connection => SendAndLeaveAsync(
                connection, good.Bytes.AsMemory(0, good.Bytes.Length / 2), reset: true)),
            new("NaN in a row", 200, connection => SendAsync(
                connection, ForwardRequest.Encode(RequestSet.Path, NotNumbers(row), extra: key))),
            new("three bytes too many", 400, connection => SendAsync(
                connection, ForwardRequest.Encode(RequestSet.Path, new byte[row + 3], extra: key))),
            new("half a row", 400, connection => SendAsync(
                connection, ForwardRequest.Encode(RequestSet.Path, new byte[row / 2], extra: key))),
            new("2 GB announced", 413, connection => SendAsync(connection, Head(RequestSet.Path, key + "Content-Length: 2147483648\r\n"))),
            new("9 EB announced", 413, connection => SendAsync(
                connection, Head(RequestSet.Path, key + "Content-Length: 9223372036854775807\r\n"))),
            new("a length that is none", 400, connection => SendAsync(connection, Head(RequestSet.Path, key + "Content-Length: many\r\n"))),
            new("unknown layer", 404, connection => SendAsync(
                connection, ForwardRequest.Encode("/v1/layers/model/9/forward", new byte[row], extra: key))),
            new("unknown mode", 400, connection => SendAsync(
                connection, ForwardRequest.Encode("/v1/layers/model/0/forward?mode=x", new byte[row], extra: key))),
            new("bad JSON", 400, connection => SendAsync(
                connection, ForwardRequest.Encode(RequestSet.Path, "{\"rows\": [[1, 2"u8, Json, key))),
            new("a narrow row in JSON", 400, connection => SendAsync(
                connection, ForwardRequest.Encode(RequestSet.Path, "{\"rows\": [[1, 2]]}"u8, Json, key))),
            new("another media type", 415, connection => SendAsync(
                connection, ForwardRequest.Encode(RequestSet.Path, "x"u8, "text/plain", key))),
            new("no key", 401, connection => SendAsync(connection, ForwardRequest.Encode(RequestSet.Path, new byte[row]))),
            new("a wrong key", 403, connection => SendAsync(
                connection, ForwardRequest.Encode(RequestSet.Path, new byte[row], extra: "X-Api-Key: not-the-right-one-at-all\r\n"))),
        ];
    }

    /// <summary>Does it on a connection of its own.</summary>
    /// <returns>What came back in the place of what must, or null where all is as promised.</returns>
    public async Task<string?> TryAsync(int port)
    {
        using HttpConnection connection = await HttpConnection.OpenAsync(port);
        try
        {
            int status = (await CommitAsync(connection)).Status;
            return status == Status ? null : $"{status}, but must be {Status}";
        }
        catch (ConnectionEndedException ended)
        {
            return ended.Message;
        }
    }

    private static byte[] Head(string path, string lines) =>
        Encoding.ASCII.GetBytes($"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n{lines}\r\n");

    private static byte[] NotNumbers(int row)
    {
        float[] values = new float[row / sizeof(float)];
        values[0] = float.NaN;
        return MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
    }

    private static async Task<Answer> SendAsync(HttpConnection connection, byte[] bytes) => await connection.SendAsync(bytes);

    private static async Task<Answer> SendAndLeaveAsync(HttpConnection connection, ReadOnlyMemory<byte> bytes, bool reset)
    {
        await connection.Socket.SendAsync(bytes);
        if (reset)
        {
            connection.Reset();
        }
        else
        {
            connection.Dispose();
        }

        return default;
    }
}
