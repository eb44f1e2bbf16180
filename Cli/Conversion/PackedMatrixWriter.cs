using System.Runtime.InteropServices;
using NativeFfn.Backends.Encodings;
using NativeFfn.Checkpoints;

namespace NativeFfn.Cli.Conversion;

/// <summary>Writes one matrix as packed integers, row after row: the codes as they come, the scales and the shape at the end.</summary>
/// <param name="form">The form, of integers.</param>
/// <param name="rows">Rows of the matrix.</param>
/// <param name="columns">Its columns.</param>
/// <param name="writer">The file, in which the matrix's tensors come next.</param>
internal sealed class PackedMatrixWriter(MatrixForm form, int rows, int columns, SafetensorsWriter writer)
{
    private readonly byte[] _packed = new byte[columns * form.Bits / 8];
    private readonly int _groups = columns / GroupQuantizer.Group;
    private readonly ushort[] _scales = new ushort[checked(rows * (columns / GroupQuantizer.Group))];
    private int _row;

    /// <summary>Writes the next row.</summary>
    /// <param name="weights">The row.</param>
    /// <param name="decoded">Receives what its codes stand for.</param>
    public void Write(ReadOnlySpan<float> weights, Span<float> decoded)
    {
        form.Pack(weights, _packed, _scales.AsSpan(_row++ * _groups, _groups), decoded);
        writer.WriteBytes(_packed);
    }

    /// <summary>Writes scales and shape after the last row.</summary>
    public void Finish()
    {
        writer.WriteBytes(MemoryMarshal.AsBytes(_scales.AsSpan()));
        writer.WriteBytes(MemoryMarshal.AsBytes<long>([rows, columns]));
    }
}
