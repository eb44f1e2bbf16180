using NativeFfn.Checkpoints.Families;
using NativeFfn.Checkpoints.Quantised;

namespace NativeFfn.Checkpoints;

/// <summary>A checkpoint open for reading: a configuration and safetensors files, one or many, or a GGUF file, whole or split.</summary>
/// <remarks>
/// More than two hundred families by the <c>model_type</c> of <c>config.json</c>, and of GGUF as many architectures as have rows among them:
/// <c>nativeffn families</c> and docs/checkpoints.md list them; stacks of any depth have the type <c>mlp</c>. A model may mix dense layers and mixtures. The files
/// are not trusted: what does not fit its configuration is refused by name. Only the tensors of the layers that are asked for are read, and
/// of a sharded checkpoint only the shards that have them are opened.
/// Safe for use by several threads at once.
/// </remarks>
/// <example>
/// <code>
/// using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Auto });
/// using FfnCheckpoint checkpoint = FfnCheckpoint.Open(path);
/// using FfnLayer layer = engine.LoadLayer(checkpoint, index);
///
/// float[] y = new float[x.Length];          // x and y: row-major [tokens, d_model]
/// layer.Forward(x, y);                      // y = FFN(x)
/// float[] r = new float[x.Length];
/// layer.ForwardResidual(x, residual: x, r); // r = x + FFN(x)
/// float[] b = new float[x.Length];
/// layer.ForwardBlock(x, b);                 // b = x + FFN(norm(x)), or as the family has it
/// Console.WriteLine(engine.Selection);      // which backend, and why not the others
/// </code>
/// </example>
public sealed class FfnCheckpoint : IDisposable
{
    private readonly ICheckpointLayout _layout;
    private readonly CheckpointTensors _tensors;
    private readonly string? _config;

    private FfnCheckpoint(string path, string modelType, ICheckpointLayout layout, CheckpointTensors tensors, string? config)
    {
        Path = path;
        ModelType = modelType;
        _layout = layout;
        _tensors = tensors;
        _config = config;
    }

    /// <summary>The directory or file, as it was named on opening.</summary>
    public string Path { get; }

    /// <summary>The configuration's <c>model_type</c>; a GGUF file's <c>general.architecture</c>.</summary>
    public string ModelType { get; }

    /// <summary>
    /// Feed-forward layers of the tower; of a model with encoder and decoder, opened without a tower, the decoder's count on after the
    /// encoder's.
    /// </summary>
    public int LayerCount => _layout.LayerCount;

    /// <summary>The files of tensors, all of them in one folder.</summary>
    internal IReadOnlyList<string> WeightFiles => _tensors.WeightFiles;

    /// <summary>The files that it is read from.</summary>
    internal IEnumerable<string> Files => _config is null ? _tensors.Files : [_config, .. _tensors.Files];

    /// <summary>Opens a checkpoint and checks its configuration; no weights are read.</summary>
    /// <param name="path">
    /// A directory with <c>config.json</c> and <c>model.safetensors</c>, <c>model.safetensors.index.json</c> or one other
    /// <c>.safetensors</c> file; or such a file or index, with <c>config.json</c> beside it; or a <c>.gguf</c> file, or a directory with
    /// one, any part of a split file meaning all; or a model's folder in the cache of the Hugging Face hub, <c>models--org--name</c>, of
    /// which the main branch's snapshot is opened.
    /// </param>
    /// <param name="tower">
    /// The part of the model whose layers are meant; by default the text model of one that sees or hears, and encoder and decoder together.
    /// </param>
    /// <exception cref="CheckpointException">
    /// Something is missing, unreadable or damaged, or the model's type, activation or a dimension is not supported; the message names
    /// the file, the thing and the remedy.
    /// </exception>
    public static FfnCheckpoint Open(string path, CheckpointTower? tower = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        path = HubCache.Resolve(path);
        string weightsPath = CheckpointFolder.FindWeights(path);
        CheckpointTensors tensors = CheckpointFolder.IsIndex(weightsPath)
            ? CheckpointTensors.OpenIndex(weightsPath)
            : CheckpointTensors.OpenFile(weightsPath);
        try
        {
            if (tensors.ReadModel() is { } model)
            {
                return new FfnCheckpoint(path, model.Type, FamilyCatalog.Read(model, tower, tensors), tensors, config: null);
            }

            CheckpointConfig config = CheckpointConfig.Read(CheckpointFolder.FindConfig(path));
            tensors.Show(Quantisation.Forms(config.Path));
            ICheckpointLayout layout = StackLayout.Is(config) ? StackLayout.Read(config, tower) : FamilyCatalog.Read(config, tower, tensors);
            return new FfnCheckpoint(path, config.Text("model_type"), layout, tensors, config.Path);
        }
        catch
        {
            tensors.Dispose();
            throw;
        }
    }

    /// <summary>Finds the tensors of one layer and holds them against the configuration.</summary>
    /// <param name="layer">The layer's index, from 0 to below <see cref="LayerCount"/>.</param>
    /// <exception cref="CheckpointException">
    /// There is no such layer; or a tensor of it is missing, has another shape than the configuration says, or a type that cannot be read.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The checkpoint was disposed.</exception>
    public FfnCheckpointLayer GetLayer(int layer)
    {
        if (layer < 0 || layer >= LayerCount)
        {
            throw new CheckpointException(
                $"{Path}: has no layer {layer}; this '{ModelType}' model has {LayerCount}, counted from 0 to {LayerCount - 1}.");
        }

        return _layout.Find(_tensors, layer);
    }

    /// <summary>Closes the files.</summary>
    public void Dispose() => _tensors.Dispose();
}
