using NativeFfn.Checkpoints;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>A checkpoint of a configuration and F32 tensors that count up, open for as long as the test.</summary>
internal sealed class TempModel : IDisposable
{
    private FfnCheckpoint? _checkpoint;

    public TempModel(string config, params (string Name, long[] Shape)[] tensors)
        : this(config, RawCheckpoint.Counting(tensors))
    {
    }

    public TempModel(string config, byte[] weights)
    {
        Folder.Write("config.json", config);
        Folder.Write("model.safetensors", weights);
    }

    public TempFolder Folder { get; } = new();

    public FfnCheckpoint Open() => _checkpoint ??= FfnCheckpoint.Open(Folder.Path);

    public FfnCheckpointLayer Layer(int index) => Open().GetLayer(index);

    public void Dispose()
    {
        _checkpoint?.Dispose();
        Folder.Dispose();
    }
}
