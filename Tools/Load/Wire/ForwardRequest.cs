using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;

namespace NativeFfn.Load.Wire;

/// <summary>One request as it goes over the wire, and what must come back.</summary>
/// <param name="Tokens">Rows.</param>
/// <param name="Bytes">Head and body.</param>
/// <param name="Expected">The rows of the answer.</param>
internal sealed record ForwardRequest(int Tokens, byte[] Bytes, float[] Expected)
{
    // Orders of summation differ with the company in a batch; another request's rows are wrong by 1 and more.
    private const double Tolerance = 1e-4;

    /// <summary>Makes the bytes of a request.</summary>
    public static byte[] Encode(string path, ReadOnlySpan<byte> body, string contentType = "application/octet-stream", string extra = "")
    {
        byte[] head = Encoding.ASCII.GetBytes(
            $"POST {path} HTTP/1.1\r\nHost: localhost\r\n{extra}Content-Type: {contentType}\r\nContent-Length: {body.Length}\r\n\r\n");
        return [.. head, .. body];
    }

    /// <summary>Whether an answer is the expected rows: their L2 distance relative to their size.</summary>
    public bool Matches(ReadOnlySpan<byte> body)
    {
        ReadOnlySpan<float> actual = MemoryMarshal.Cast<byte, float>(body);
        if (body.Length != Expected.Length * sizeof(float))
        {
            return false;
        }

        double squaredError = 0;
        double squaredSize = 0;
        int width = Vector<float>.Count;
        int i = 0;
        for (; i + width <= actual.Length; i += width)
        {
            var expected = new Vector<float>(Expected.AsSpan(i));
            Vector<float> error = new Vector<float>(actual[i..]) - expected;
            squaredError += Vector.Dot(error, error);
            squaredSize += Vector.Dot(expected, expected);
        }

        for (; i < actual.Length; i++)
        {
            double error = actual[i] - Expected[i];
            squaredError += error * error;
            squaredSize += (double)Expected[i] * Expected[i];
        }

        // NaN compares as false.
        return squaredError <= Tolerance * Tolerance * squaredSize;
    }
}
