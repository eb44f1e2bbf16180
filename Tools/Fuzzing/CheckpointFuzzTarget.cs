using NativeFfn.Checkpoints;

namespace NativeFfn.Fuzzing;

/// <summary>Hands bytes to the checkpoint reader as a file, and holds it to its promises.</summary>
/// <remarks>
/// Bytes are a safetensors file; or, where they start with <c>{</c> and have a zero byte, a <c>config.json</c> up to it and the
/// model's safetensors file behind it. The reader may refuse them with a <see cref="CheckpointException"/> of one line; any other
/// exception, a wrong extent of a tensor, or memory out of proportion to the file is a crash.
/// </remarks>
public static class CheckpointFuzzTarget
{
    private const string WeightsName = "model.safetensors";
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
            File.WriteAllBytes(Path.Combine(folder, WeightsName), bytes[(split + 1)..]);
            if (split >= 0)
            {
                File.WriteAllBytes(Path.Combine(folder, ConfigName), bytes[..split]);
            }

            return RunOn(folder, bytes.Length, split >= 0);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static bool RunOn(string folder, int length, bool isModel)
    {
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        bool accepted;
        try
        {
            if (isModel)
            {
                ReadModel(folder);
            }
            else
            {
                ReadFile(Path.Combine(folder, WeightsName));
            }

            accepted = true;
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
        using SafetensorsFile file = SafetensorsFile.Open(path);
        long length = new FileInfo(path).Length;
        Span<float> value = stackalloc float[1];
        CheckpointException? refused = null;
        foreach (SafetensorsTensor tensor in file.Tensors.Values)
        {
            long elements = tensor.ElementCount;
            Require(tensor.Offset >= 0 && tensor.ByteLength >= elements
                && tensor.Offset + tensor.ByteLength <= length, "a tensor lies outside");
            if (elements == 0)
            {
                continue;
            }

            try
            {
                file.ReadFloats(tensor, 0, value);
                file.ReadFloats(tensor, elements - 1, value);
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

    private static void ReadModel(string folder)
    {
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder);
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
