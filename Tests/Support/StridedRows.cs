using CommunityToolkit.HighPerformance;
using NUnit.Framework;

namespace NativeFfn.Tests.Support;

/// <summary>Rows that lie further apart than they are wide, with a mark in every gap.</summary>
internal sealed class StridedRows
{
    private const float Mark = -123456f;

    private readonly float[] _buffer;
    private readonly int _tokens;
    private readonly int _width;
    private readonly int _gap;

    public StridedRows(int tokens, int width, int gap)
    {
        (_tokens, _width, _gap) = (tokens, width, gap);
        _buffer = new float[tokens * (width + gap)];
        Array.Fill(_buffer, Mark);
    }

    public Span2D<float> Rows => new(_buffer, 0, _tokens, _width, _gap);

    public static StridedRows Of(ReadOnlySpan<float> values, int tokens, int width, int gap)
    {
        var strided = new StridedRows(tokens, width, gap);
        for (int t = 0; t < tokens; t++)
        {
            values.Slice(t * width, width).CopyTo(strided.Rows.GetRowSpan(t));
        }

        return strided;
    }

    /// <summary>The rows without the gaps.</summary>
    public float[] Contiguous()
    {
        float[] values = new float[_tokens * _width];
        for (int t = 0; t < _tokens; t++)
        {
            Rows.GetRowSpan(t).CopyTo(values.AsSpan(t * _width));
        }

        return values;
    }

    public void AssertGapsUntouched(string what)
    {
        for (int i = 0; i < _buffer.Length; i++)
        {
            if (i % (_width + _gap) >= _width && _buffer[i] != Mark)
            {
                Assert.Fail($"{what}: the gap after row {i / (_width + _gap)} was written to.");
            }
        }
    }
}
