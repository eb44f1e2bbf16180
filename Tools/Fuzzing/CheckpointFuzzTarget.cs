using NativeFfn.Checkpoints;
using NativeFfn.Checkpoints.Files;

namespace NativeFfn.Fuzzing;

/// <summary>Hands bytes to the checkpoint reader as a file, and holds it to its promises.</summary>
/// <remarks>
/// Bytes are a GGUF file with its model in it, or a safetensors file; or, where they start with <c>{</c> and have a zero byte, a
/// <c>config.json</c> up to it and the model's safetensors file behind it. The reader may refuse them with a <see
/// cref="CheckpointException"/> of one line; any other exception, a wrong extent of a tensor, or memory out of proportion to the file is a
/// crash.
/// </remarks>
public static class CheckpointFuzzTarget
{
    private const string WeightsName = "model.safetensors";
    private const string GgufName = "model.gguf";
    private const string ConfigName = "config.json";

    // What one run may allocate: buffers that do not depend on the file, and names and objects for what it declares.
    private const long FixedBytes = 16L * 1024 * 1024;
    private const long BytesPerByte = 256;

    // A tmpfs where there is one: a disk would be worn for nothing.
    private static readonly string Root = Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath();

    /// <summary>Runs the reader over bytes.</summary>
    /// <param name="bytes">The file.</param>
    /// <returns>Whether the reader accepted them.</returns>
    public static bool Run(ReadOnlySpan<byte> bytes)
    {
        string folder = Path.Combine(Root, $"nativeffn-fuzz-{Guid.NewGuid():N}");
        Directory.CreateDirectory(folder);
        try
        {
            int split = bytes.StartsWith("{"u8) ? bytes.IndexOf((byte)0) : -1;
            string path = Path.Combine(folder, bytes.StartsWith("GGUF"u8) ? GgufName : WeightsName);
            File.WriteAllBytes(path, bytes[(split + 1)..]);
            if (split >= 0)
            {
                File.WriteAllBytes(Path.Combine(folder, ConfigName), bytes[..split]);
                return Accepts(ReadModel, folder, folder, bytes.Length);
            }

            // What a file holds beside its model is read as well, whether the model is understood or not.
            bool understood = !bytes.StartsWith("GGUF"u8) || Accepts(ReadModel, path, folder, bytes.Length);
            return Accepts(ReadFile, path, folder, bytes.Length) && understood;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static bool Accepts(Action<string> read, string path, string folder, int length)
    {
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        bool accepted = true;
        try
        {
            read(path);
        }
        catch (CheckpointException rejection)
        {
            Require(!rejection.Message.AsSpan().ContainsAny('\n', '\r'), "a message has more than one line");
            Require(rejection.Message.StartsWith(folder, StringComparison.Ordinal), "a message does not start with the file");
            accepted = false;
        }

        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        Require(allocated <= FixedBytes + (BytesPerByte * length), $"{allocated} bytes were allocated for a file of {length}");
        return accepted;
    }

    private static void ReadFile(string path)
    {
        using ITensorFile file = TensorFiles.Open(path);
        long length = new FileInfo(path).Length;
        CheckpointException? refused = null;
        foreach (TensorEntry tensor in file.Tensors.Values)
        {
            long elements = tensor.ElementCount;
            Require(tensor.Offset >= 0 && tensor.ByteLength >= Math.Sign(elements)
                && tensor.Offset + tensor.ByteLength <= length, "a tensor lies outside");
            if (elements == 0)
            {
                continue;
            }

            try
            {
                StoredRows rows = StoredRows.Of(file, tensor);
                Require(tensor.ByteLength == rows.RowBytes * tensor.Rows, "a tensor has another length than its rows");
                float[] row = new float[tensor.Columns];
                rows.ReadFloats(0, row);
                rows.ReadFloats(tensor.Rows - 1, row);
            }
            catch (CheckpointException rejection)
            {
                refused = rejection;
            }
        }

        if (refused is not null)
        {
            throw refused;
        }
    }

    private static void ReadModel(string path)
    {
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(path);
        foreach (int index in (ReadOnlySpan<int>)[0, checkpoint.LayerCount - 1])
        {
            FfnCheckpointLayer layer = checkpoint.GetLayer(index);
            foreach (FfnTensor tensor in layer.Spec.Tensors)
            {
                float[] row = new float[tensor.Columns];
                layer.Weights.ReadRows(tensor, 0, row);
                layer.Weights.ReadRows(tensor, tensor.Rows - 1, row);
            }
        }
    }

    private static void Require(bool kept, string promise)
    {
        if (!kept)
        {
            throw new InvalidOperationException("The reader broke a promise: " + promise + ".");
        }
    }
}
