using System.Runtime.InteropServices;
using System.Text.Json;
using NativeFfn.Checkpoints;
using NativeFfn.Checkpoints.Files;
using NativeFfn.Checkpoints.Quantised;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>A quantised checkpoint of tensors alone, read by the product without a family.</summary>
internal sealed class QuantisedFolder : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly CheckpointTensors _tensors;

    /// <summary>A checkpoint of a configuration's entry and tensors, each in a shard of its own where that is asked for.</summary>
    public QuantisedFolder(string entry, RawTensors tensors, bool sharded = false)
    {
        string config = _folder.Write("config.json", "{" + entry + "}");
        try
        {
            _tensors = sharded ? CheckpointTensors.OpenIndex(WriteShards(tensors)) : CheckpointTensors.OpenFile(_folder.Write("model.safetensors", tensors.File()));
            _tensors.Show(Quantisation.Forms(config));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public CheckpointTensors Tensors => _tensors;

    /// <summary>A tensor's rows, as many at a time, from the last ones to the first so that nothing depends on order.</summary>
    public static float[] Read(CheckpointTensors tensors, string name, int rowsAtATime, out int columns)
    {
        (ITensorFile file, TensorEntry entry) = tensors.Find(name);
        StoredRows rows = StoredRows.Of(file, entry);
        columns = (int)entry.Columns;
        float[] weights = new float[entry.ElementCount];
        for (long first = (entry.Rows - 1) / rowsAtATime * rowsAtATime; first >= 0; first -= rowsAtATime)
        {
            long count = Math.Min(rowsAtATime, entry.Rows - first);
            rows.ReadFloats(first, weights.AsSpan((int)first * columns, (int)count * columns));
        }

        return weights;
    }

    /// <summary>Whether two arrays are the same bits, where any NaN is as good as another and a zero's sign is nothing.</summary>
    public static int FirstDifference(ReadOnlySpan<float> left, ReadOnlySpan<float> right)
    {
        for (int i = 0; i < Math.Max(left.Length, right.Length); i++)
        {
            if (i >= left.Length || i >= right.Length || !left[i].Equals(right[i]))
            {
                return i;
            }
        }

        return -1;
    }

    public static byte[] Bytes<T>(params ReadOnlySpan<T> values)
        where T : unmanaged => MemoryMarshal.AsBytes(values).ToArray();

    public static JsonElement Json(string text)
    {
        using JsonDocument document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }

    public void Dispose()
    {
        _tensors?.Dispose();
        _folder.Dispose();
    }

    private string WriteShards(RawTensors tensors)
    {
        var map = new Dictionary<string, string>();
        foreach ((string name, (string type, long[] shape, byte[] bytes)) in tensors)
        {
            map[name] = $"part-{map.Count}.safetensors";
            _folder.Write(map[name], RawCheckpoint.File((name, type, shape, bytes)));
        }

        return _folder.Write("model.safetensors.index.json", JsonSerializer.Serialize(new { weight_map = map }));
    }
}
