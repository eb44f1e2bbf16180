using System.Buffers.Binary;
using System.Collections.Immutable;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;

namespace NativeFfn.Fuzzing.Requests;

/// <summary>The ways into the server that are fuzzed apart.</summary>
public enum RequestWay
{
    /// <summary>Rows as bytes, compressed or not.</summary>
    Binary,

    /// <summary>Rows as JSON, of a forward and of the explorer.</summary>
    Json,

    /// <summary>Messages of gRPC in their frames.</summary>
    Grpc,

    /// <summary>Paths and queries.</summary>
    Query,

    /// <summary>Methods and headers.</summary>
    Headers,
}

/// <summary>Makes damaged requests of sound ones, the same sequence for the same seed.</summary>
/// <param name="way">What is damaged.</param>
/// <param name="seed">Any number.</param>
public sealed class RequestMutator(RequestWay way, int seed)
{
    private const string Forward = "/v1/layers/model/0/forward";
    private const string Rpc = "/nativeffn.v1.FeedForward/";
    private const int Width = 8;
    private const int MaxMutations = 4;

    private static readonly string[] JsonTokens =
    [
        "{", "}", "[", "]", ",", ":", "\"", "null", "true", "NaN", "\"NaN\"", "\"-Infinity\"", "-0", "1e39", "1e-400", "-1e999", "0.1",
        "\\ud800", "\\u0000",
        "\"rows\":", "\"layer\":", "\"model/0\"", "\"mode\":\"block\"", "\"position\":", "2147483648",
        "\"random\":{\"tokens\":3,\"seed\":-1}", "\u00e4", "\uFEFF",
        "[[[[[[[[[[[[[[[[", "//", "\r\n",
    ];

    private static readonly string[] Words =
    [
        "", "ffn", "block", "residual", "mode", "deadline", "0", "-1", "1e5", "NaN", "%", "%00", "%ff", "%u0041", "+", "&", "=", "?",
        "#", "..", "/", "//", "\\", "model",
        "model/0", "99999999999", "2147483648", "\u00e4", "\ud83d\ude00", "0.000001", "86400.1", "\0", ";", "[0]", "'", "<", "\t",
    ];

    private static readonly string[] Values =
    [
        "", "application/json", "application/octet-stream", "application/json; charset=utf-16", "application/json;charset=\"utf-8\"",
        "text/plain",
        "application/grpc", "application/grpc+json", "*/*", "gzip", "br", "deflate", "gzip, br", "identity", "zstd", ",", ";;", "0",
        "-1", "32", "9223372036854775807",
        "99999999999999999999", "Bearer ", "Bearer 0123456789abcdef", "Basic YQ==", "chunked", "100-continue", "\u00e4", "a\tb", "1S",
        "99999999H", "1x", "=",
    ];

    private static readonly string[] Names =
    [
        "Content-Type", "Content-Encoding", "Content-Length", "Authorization", "Accept", "Accept-Encoding", "Transfer-Encoding",
        "Expect", "X-Api-Key", "Host", "Origin",
        "grpc-timeout", "grpc-encoding", "grpc-accept-encoding", "TE", "Range", "If-None-Match", "Connection", "Cookie",
    ];

    private static readonly string[] Methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "X"];

    private static readonly string[] Paths =
    [
        Forward, "/v1/layers", "/", "/metrics", "/healthz/live", "/healthz/ready", "/api/compute/ffn", Rpc + "Forward",
        Rpc + "ForwardStream", Rpc + "ListLayers", "/index.html", "/openapi/v1.json", "/grpc.health.v1.Health/Check",
    ];

    private readonly Random _random = new(seed);

    /// <summary>The next request.</summary>
    public FuzzRequest Next()
    {
        FuzzRequest request = Sound();
        for (int i = _random.Next(1, MaxMutations + 1); i > 0; i--)
        {
            request = way switch
            {
                RequestWay.Query => request with { Path = Mutate(request.Path), Query = Mutate(request.Query) },
                RequestWay.Headers => MutateHead(request),
                _ => request with { Body = Mutate(request.Body) },
            };
        }

        return request;
    }

    private FuzzRequest Sound() => way switch
    {
        RequestWay.Binary when _random.Next(3) == 0 => Compressed(Post(Forward, "application/octet-stream", Rows())),
        RequestWay.Binary => Post(Forward, "application/octet-stream", Rows()),
        RequestWay.Json => _random.Next(4) switch
        {
            0 => Json("/api/compute/ffn", """{"layer":"model/0","mode":"ffn","position":0,"random":{"tokens":2,"seed":1}}"""),
            1 => Json("/api/compute/ffn", $$"""{"layer":"model/0","position":0,"rows":[{{Row}}]}"""),
            _ => Json(Forward, $$"""{"rows":[{{Row}},{{Row}}]}"""),
        },
        RequestWay.Grpc => Post(
            Rpc + (_random.Next(3) switch { 0 => "Forward", 1 => "ForwardStream", _ => "ListLayers" }), "application/grpc", Message()),
        RequestWay.Query => Post(Forward, "application/octet-stream", Rows()) with
        {
            Query = _random.Next(2) == 0 ? "?mode=block&deadline=30" : "?deadline=0.5",
        },
        _ => Post(Paths[_random.Next(Paths.Length)], "application/octet-stream", Rows()),
    };

    private static string Row => "[0.5,-1,\"NaN\",1e-3,0,2.25,3,-0.125]";

    private static FuzzRequest Post(string path, string type, byte[] body) =>
        new("POST", path, string.Empty, [("Content-Type", type)], [.. body]);

    private static FuzzRequest Json(string path, string text) => Post(path, "application/json", Encoding.UTF8.GetBytes(text));

    private FuzzRequest Compressed(FuzzRequest plain)
    {
        using var bytes = new MemoryStream();
        (string name, Stream stream) = _random.Next(3) switch
        {
            0 => ("gzip", (Stream)new GZipStream(bytes, CompressionLevel.Fastest)),
            1 => ("br", new BrotliStream(bytes, CompressionLevel.Fastest)),
            _ => ("deflate", new ZLibStream(bytes, CompressionLevel.Fastest)),
        };
        using (stream)
        {
            stream.Write(plain.Body.AsSpan());
        }

        return plain with { Headers = plain.Headers.Add(("Content-Encoding", name)), Body = [.. bytes.ToArray()] };
    }

    private byte[] Rows()
    {
        float[] rows = new float[Width * _random.Next(0, 4)];
        _random.NextBytes(MemoryMarshal.AsBytes(rows.AsSpan()));
        return MemoryMarshal.AsBytes(rows.AsSpan()).ToArray();
    }

    // ForwardRequest { layer = 1, mode = 2, rows = 3 } in a frame: compressed flag, length, message.
    private byte[] Message()
    {
        byte[] rows = Rows();
        byte[] message = [0x0A, 7, .. "model/0"u8, 0x10, 0, 0x1A, (byte)rows.Length, .. rows];
        byte[] length = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(length, (uint)message.Length);
        byte[] frame = [0, .. length, .. message];
        return _random.Next(4) == 0 ? [.. frame, .. frame] : frame;
    }

    private FuzzRequest MutateHead(FuzzRequest request) => _random.Next(6) switch
    {
        0 => request with { Method = Methods[_random.Next(Methods.Length)] },
        1 => request with { Path = Paths[_random.Next(Paths.Length)] },
        2 => request with { Headers = [.. request.Headers.Skip(1)] },
        3 => request with
        {
            Headers = request.Headers.Add((Names[_random.Next(Names.Length)], Mutate(Values[_random.Next(Values.Length)]))),
        },
        _ => request with { Headers = request.Headers.Add((Names[_random.Next(Names.Length)], Values[_random.Next(Values.Length)])) },
    };

    private string Mutate(string text)
    {
        int at = _random.Next(text.Length + 1);
        return _random.Next(5) switch
        {
            0 => text.Insert(at, Words[_random.Next(Words.Length)]),
            1 => text[..at],
            2 when text.Length > 0 => text.Insert(at, text),
            3 when at < text.Length => text.Remove(at, 1).Insert(at, ((char)_random.Next(1, 0x250)).ToString()),
            _ => text,
        };
    }

    private ImmutableArray<byte> Mutate(ImmutableArray<byte> body)
    {
        List<byte> bytes = [.. body];
        int at = _random.Next(bytes.Count + 1);
        switch (_random.Next(7))
        {
            case < ByteDamage.Kinds and var kind:
                ByteDamage.Apply(bytes, kind, _random);
                break;
            case 4:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
            case 5 when bytes.Count >= sizeof(uint):
                Span<byte> word = CollectionsMarshal.AsSpan(bytes).Slice(_random.Next(bytes.Count - sizeof(uint) + 1), sizeof(uint));
                BinaryPrimitives.WriteUInt32BigEndian(word, (uint)_random.Next(-4, 5) << (_random.Next(2) * 8));
                break;
            default:
                bytes.InsertRange(at, Encoding.UTF8.GetBytes(JsonTokens[_random.Next(JsonTokens.Length)]));
                break;
        }

        return [.. bytes];
    }
}
