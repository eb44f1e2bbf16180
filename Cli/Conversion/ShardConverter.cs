using NativeFfn.Backends.Encodings;
using NativeFfn.Checkpoints;
using NativeFfn.Checkpoints.Files;
using NativeFfn.Checkpoints.Files.Safetensors;

namespace NativeFfn.Cli.Conversion;

/// <summary>Writes one file of a converted checkpoint: matrices in their new form, everything else byte for byte.</summary>
/// <param name="plan">What is converted.</param>
/// <param name="progress">Told the bytes of the source that are done.</param>
/// <param name="cancellation">Ends the work between pieces; the file then is not there.</param>
internal sealed class ShardConverter(ConversionPlan plan, Action<long> progress, CancellationToken cancellation)
{
    private const string MarkKey = "nativeffn.conversion";

    // Bytes read at a time.
    private const int PieceBytes = 4 * 1024 * 1024;

    /// <summary>The largest loss of a matrix so far, ‖stored - given‖ / ‖given‖, and what plain rounding would have lost of it.</summary>
    public (string Matrix, double Error, double Plain) Worst { get; private set; }

    /// <summary>The tensors that were written or found by name: the name of their file, and their bytes.</summary>
    public SortedDictionary<string, (string File, long Bytes)> Written { get; } = new(StringComparer.Ordinal);

    /// <summary>Bytes of all of them.</summary>
    public long BytesWritten => Written.Values.Sum(static written => written.Bytes);

    /// <summary>Converts a file, unless an earlier run did.</summary>
    /// <param name="source">The file.</param>
    /// <param name="target">The file to write.</param>
    /// <returns>Whether an earlier run had done it.</returns>
    /// <exception cref="UsageException">There is a file that came to be in another way.</exception>
    public bool Convert(string source, string target)
    {
        using ITensorFile file = TensorFiles.Open(source);
        TensorEntry[] tensors = [.. file.Tensors.Values.OrderBy(static tensor => tensor.Offset).ThenBy(static tensor => tensor.Name, StringComparer.Ordinal)];
        (string Name, string Type, long[] Shape)[] declared = [.. tensors.SelectMany(Declare)];
        foreach ((string name, string type, long[] shape) in declared)
        {
            Written.Add(name, (Path.GetFileName(target), TensorEntry.Product(shape) * SafetensorsTypes.SizeOf(type)));
        }

        string mark = plan.MarkOf(source);
        if (File.Exists(target))
        {
            RequireMark(target, mark);
            progress(tensors.Sum(static tensor => tensor.ByteLength));
            return true;
        }

        using var writer = new SafetensorsWriter(target, declared, new Dictionary<string, string> { ["format"] = "pt", [MarkKey] = mark });
        foreach (TensorEntry tensor in tensors)
        {
            if (!plan.Matrices.Contains(tensor.Name))
            {
                Copy(file, tensor, writer);
            }
            else if (plan.Form.Type is not null)
            {
                Recode(file, tensor, writer);
            }
            else
            {
                Quantize(file, tensor, writer);
            }
        }

        writer.Commit();
        return false;
    }

    private static void RequireMark(string target, string mark)
    {
        using ITensorFile found = TensorFiles.Open(target);
        if ((found as SafetensorsFile)?.Metadata.GetValueOrDefault(MarkKey) != mark)
        {
            throw new UsageException($"--output has '{target}', which another conversion made. Remove it, or name another folder.");
        }
    }

    private IEnumerable<(string Name, string Type, long[] Shape)> Declare(TensorEntry tensor) => plan.Matrices.Contains(tensor.Name)
        ? plan.Form.Declare(tensor.Name, [.. tensor.Shape])
        : [(tensor.Name, tensor.Type, [.. tensor.Shape])];

    private void Copy(ITensorFile file, TensorEntry tensor, SafetensorsWriter writer)
    {
        if (tensor.ByteLength == 0)
        {
            return;
        }

        long rowBytes = tensor.ByteLength / tensor.Rows;
        byte[] piece = new byte[checked((int)Math.Max(rowBytes, PieceBytes / rowBytes * rowBytes))];
        ForEachPiece(tensor, checked((int)(piece.Length / rowBytes)), (first, count) =>
        {
            Span<byte> rows = piece.AsSpan(0, checked((int)(count * rowBytes)));
            file.ReadBlocks(tensor, first, rows);
            writer.WriteBytes(rows);
        });
    }

    private void Recode(ITensorFile file, TensorEntry tensor, SafetensorsWriter writer)
    {
        var loss = new Loss();
        WeightEncoding encoding = SafetensorsTypes.EncodingOf(plan.Form.Type!)!;
        ForEachRows(file, tensor, (rows, count) =>
        {
            byte[] stored = new byte[rows.Length * encoding.BlockBytes];
            float[] decoded = new float[rows.Length];
            encoding.Encode(rows, stored);
            encoding.Decode(stored, 0, decoded);
            loss.Add(rows, decoded, decoded, tensor.Name);
            writer.WriteBytes(stored);
        });
        Tell(tensor, loss);
    }

    private void Quantize(ITensorFile file, TensorEntry tensor, SafetensorsWriter writer)
    {
        int columns = checked((int)tensor.Columns);
        var matrix = new PackedMatrixWriter(plan.Form, checked((int)tensor.Rows), columns, writer);
        byte[] unused = new byte[columns * plan.Form.Bits / 8];
        ushort[] plainScales = new ushort[columns / GroupQuantizer.Group];
        float[] decoded = new float[columns];
        float[] rounded = new float[columns];
        var loss = new Loss();
        ForEachRows(file, tensor, (rows, count) =>
        {
            for (int i = 0; i < count; i++)
            {
                ReadOnlySpan<float> weights = rows.AsSpan(i * columns, columns);
                plan.Form.Pack(weights, unused, plainScales, rounded, plain: true);
                matrix.Write(weights, decoded);
                loss.Add(weights, decoded, rounded, tensor.Name);
            }
        });
        matrix.Finish();
        Tell(tensor, loss);
    }

    private void ForEachRows(ITensorFile file, TensorEntry tensor, Action<float[], int> use)
    {
        StoredRows rows = StoredRows.Of(file, tensor);
        int columns = checked((int)tensor.Columns);
        float[] floats = [];
        ForEachPiece(tensor, Math.Max(1, PieceBytes / (columns * sizeof(float))), (first, count) =>
        {
            if (floats.Length != count * columns)
            {
                floats = new float[count * columns];
            }

            rows.ReadFloats(first, floats);
            use(floats, count);
        });
    }

    private void ForEachPiece(TensorEntry tensor, int rows, Action<long, int> use)
    {
        long rowBytes = tensor.ByteLength / Math.Max(tensor.Rows, 1);
        for (long first = 0; first < tensor.Rows; first += rows)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = (int)Math.Min(rows, tensor.Rows - first);
            use(first, count);
            progress(count * rowBytes);
        }
    }

    private void Tell(TensorEntry tensor, Loss loss)
    {
        if (loss.Error >= Worst.Error)
        {
            Worst = (tensor.Name, loss.Error, loss.Plain);
        }
    }

    /// <summary>What a matrix lost, in float64.</summary>
    private sealed class Loss
    {
        private double _squared;
        private double _plain;
        private double _norm;

        public double Error => _norm == 0 ? 0 : Math.Sqrt(_squared / _norm);

        public double Plain => _norm == 0 ? 0 : Math.Sqrt(_plain / _norm);

        public void Add(ReadOnlySpan<float> given, ReadOnlySpan<float> stored, ReadOnlySpan<float> rounded, string name)
        {
            for (int i = 0; i < given.Length; i++)
            {
                if (!float.IsFinite(stored[i]))
                {
                    throw new UsageException($"'{name}' has the weight {given[i]:R}, which the new form cannot hold.");
                }

                _squared += Math.Pow((double)stored[i] - given[i], 2);
                _plain += Math.Pow((double)rounded[i] - given[i], 2);
                _norm += (double)given[i] * given[i];
            }
        }
    }
}
