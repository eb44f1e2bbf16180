using System.Globalization;
using System.Runtime.InteropServices;

namespace NativeFfn.Backends.Encodings;

/// <summary>
/// Reads weights as rows of one encoding: as they are stored where that is the source's own, else converted, with what that loses added up.
/// </summary>
/// <remarks>The rows of a matrix are read once each, and no other's between them.</remarks>
/// <param name="encoding">The encoding wanted.</param>
internal sealed class RowEncoder(WeightEncoding encoding)
{
    private float[] _given = [];
    private float[] _stored = [];

    // Of the matrix that is being read: which, its rows so far, whether any number of it is not stored as zero, and its error.
    private FfnTensor? _matrix;
    private long _rows;
    private bool _isKept;
    private QuantizationError _matrixError;
    private QuantizationError _worst;

    /// <summary>The encoding wanted.</summary>
    public WeightEncoding Encoding => encoding;

    /// <summary>The loss of the matrix that lost most, as far as they were read.</summary>
    public QuantizationError Error => QuantizationError.Worst(_worst, _matrixError);

    /// <summary>Reads consecutive rows of a matrix.</summary>
    /// <param name="source">Where they come from.</param>
    /// <param name="tensor">The matrix.</param>
    /// <param name="firstRow">The first row wanted.</param>
    /// <param name="rows">Receives whole rows of <see cref="WeightEncoding.RowBytes"/> each.</param>
    /// <exception cref="NotSupportedException">A weight cannot be held, or of the whole matrix nothing; the message says which.</exception>
    public void Read(IFfnWeightSource source, FfnTensor tensor, int firstRow, Span<byte> rows)
    {
        if (source is IEncodedWeightSource encoded && encoded.EncodingOf(tensor) == encoding)
        {
            encoded.ReadBlocks(tensor, firstRow, rows);
            RequireHeld(tensor, firstRow, rows);
        }
        else if (encoding == WeightEncodings.Float32)
        {
            source.ReadRows(tensor, firstRow, MemoryMarshal.Cast<byte, float>(rows));
        }
        else
        {
            Convert(source, tensor, firstRow, rows);
        }
    }

    /// <summary>Compares a row with what is stored of it, and adds up the difference.</summary>
    /// <param name="given">The row's weights.</param>
    /// <param name="stored">What they are when read back, as many; not finite for those that cannot be held.</param>
    /// <param name="tensor">The tensor, for messages.</param>
    /// <param name="row">The row in it.</param>
    /// <exception cref="NotSupportedException">A weight cannot be held, or of the whole matrix nothing; the message says which.</exception>
    public void Compare(ReadOnlySpan<float> given, ReadOnlySpan<float> stored, FfnTensor tensor, int row)
    {
        (double squared, double norm) = (0, 0);
        bool isKept = false;
        for (int i = 0; i < given.Length; i++)
        {
            double error = (double)stored[i] - given[i];
            isKept |= stored[i] != 0;
            if (double.IsFinite(error))
            {
                squared += error * error;
                norm += (double)given[i] * given[i];
            }
            else if (!encoding.HoldsNonFinite || float.IsFinite(given[i]))
            {
                int column = Culprit(given, i);
                throw Refusal(encoding, tensor, row, column, given[column]);
            }
        }

        Add(tensor, new QuantizationError(squared, norm), isKept);
    }

    /// <summary>The refusal of a number that an encoding cannot hold.</summary>
    public static NotSupportedException Refusal(WeightEncoding encoding, FfnTensor tensor, int row, int column, float given) => new(string.Create(
        CultureInfo.InvariantCulture,
        $"{tensor.Name}[{row}, {column}] is {given:R}, which {encoding.Name} cannot hold. Use precision {(encoding.HoldsNonFinite ? "f32" : "f32 or bf16")}."));

    private void Add(FfnTensor tensor, QuantizationError row, bool isKept)
    {
        if (tensor != _matrix)
        {
            (_worst, _matrix, _matrixError, _rows, _isKept) = (Error, tensor, default, 0, false);
        }

        _matrixError += row;
        _isKept |= isKept;
        if (++_rows == tensor.Rows && !_isKept && _matrixError.SquaredNorm > 0)
        {
            throw new NotSupportedException(
                $"{tensor.Name} is too small for {encoding.Name}, which keeps nothing of it but zeros. Use precision f32{(encoding.Name == "bf16" ? "" : " or bf16")}.");
        }
    }

    private void Convert(IFfnWeightSource source, FfnTensor tensor, int firstRow, Span<byte> rows)
    {
        int columns = tensor.Columns;
        int rowBytes = checked((int)encoding.RowBytes(columns));
        int count = rows.Length / rowBytes;
        Span<float> given = Room(ref _given, checked(count * columns));
        Span<float> stored = Room(ref _stored, columns);
        source.ReadRows(tensor, firstRow, given);
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<float> weights = given.Slice(i * columns, columns);
            Span<byte> row = rows.Slice(i * rowBytes, rowBytes);
            encoding.Encode(weights, row);
            encoding.Decode(row, 0, stored);
            Compare(weights, stored, tensor, firstRow + i);
        }
    }

    // A kernel may take what is not finite for a large number, wherever it comes from.
    private void RequireHeld(FfnTensor tensor, int firstRow, ReadOnlySpan<byte> rows)
    {
        if (encoding.HoldsNonFinite)
        {
            return;
        }

        Span<float> stored = Room(ref _stored, tensor.Columns);
        int rowBytes = checked((int)encoding.RowBytes(tensor.Columns));
        for (int i = 0; i < rows.Length / rowBytes; i++)
        {
            encoding.Decode(rows.Slice(i * rowBytes, rowBytes), 0, stored);
            Compare(stored, stored, tensor, firstRow + i);
        }
    }

    private static Span<T> Room<T>(ref T[] buffer, int elements)
    {
        if (buffer.Length < elements)
        {
            buffer = new T[elements];
        }

        return buffer.AsSpan(0, elements);
    }

    // A block that cannot be held is the fault of its first weight that is no number, else of its largest.
    private int Culprit(ReadOnlySpan<float> given, int column)
    {
        int blockColumns = encoding.HeaderBytes > 0 ? given.Length : encoding.BlockColumns;
        int first = column / blockColumns * blockColumns;
        int culprit = first;
        for (int i = first; i < Math.Min(first + blockColumns, given.Length); i++)
        {
            if (!float.IsFinite(given[i]))
            {
                return i;
            }

            culprit = MathF.Abs(given[i]) > MathF.Abs(given[culprit]) ? i : culprit;
        }

        return culprit;
    }
}
