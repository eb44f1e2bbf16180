using System.Collections.Immutable;
using System.Text.Json;
using NativeFfn.Checkpoints.Files;
using NativeFfn.Checkpoints.Quantised;

namespace NativeFfn.Checkpoints;

/// <summary>The tensors of a checkpoint by name, in one file or in shards that are opened when something of them is asked for.</summary>
/// <remarks>Safe for use by several threads at once.</remarks>
internal sealed class CheckpointTensors : IDisposable
{
    private const string OnlyFile = "";

    // As long as a safetensors header may be: the index has a line for each tensor too.
    private const int MaxIndexBytes = 100_000_000;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, ITensorFile> _open = [];
    private readonly Dictionary<string, string>? _shards;
    private string[]? _sorted;
    private QuantisedView? _view;
    private bool _disposed;

    private CheckpointTensors(string path, Dictionary<string, string>? shards)
    {
        Path = path;
        _shards = shards;
    }

    /// <summary>The file, or the index of the shards.</summary>
    public string Path { get; }

    /// <summary>The files, all of them in one folder.</summary>
    public IReadOnlyList<string> WeightFiles => _shards is null
        ? [Path]
        : [.. _shards.Values.Distinct().Order(StringComparer.Ordinal).Select(PathOf)];

    /// <summary>The model, where the only file says itself what it has.</summary>
    public StoredModel? ReadModel() => _shards is null ? _open[OnlyFile].ReadModel() : null;

    /// <summary>The file, or the index and the shards that it names.</summary>
    public IEnumerable<string> Files => _shards is null ? WeightFiles : [Path, .. WeightFiles];

    /// <summary>Whether the file, or the first of the shards by name, says that MLX wrote it.</summary>
    public bool IsMlx => FileOf(_shards is null ? OnlyFile : _shards.Values.Min(StringComparer.Ordinal) ?? OnlyFile).IsMlx;

    public static CheckpointTensors OpenFile(string path)
    {
        var tensors = new CheckpointTensors(path, null);
        tensors._open.Add(OnlyFile, TensorFiles.Open(path));
        return tensors;
    }

    /// <summary>
    /// Reads an index, whose <c>weight_map</c> says which file beside it has which tensor; <c>total_size</c> is only advice.
    /// </summary>
    public static CheckpointTensors OpenIndex(string path)
    {
        using JsonDocument index = CheckpointJson.ParseObject(path, MaxIndexBytes, "an index of shards");
        if (!index.RootElement.TryGetProperty("weight_map", out JsonElement map) || map.ValueKind != JsonValueKind.Object)
        {
            throw new CheckpointException($"{path}: has no object 'weight_map', which says where each tensor is. Get the file again.");
        }

        var shards = new Dictionary<string, string>();
        foreach (JsonProperty entry in map.EnumerateObject())
        {
            string shard = CheckpointJson.Text(path, entry.Name, entry.Value);
            RequirePlainName(path, entry.Name, shard);
            shards[entry.Name] = shard;
        }

        return new CheckpointTensors(path, shards);
    }

    /// <summary>Shows quantised matrices as such from now on, in place of the parts that are stored of them. Called before anything else is asked for.</summary>
    /// <param name="forms">The forms in which they may be stored; none where the checkpoint is not quantised.</param>
    public void Show(ImmutableArray<QuantisedForm> forms)
    {
        if (!forms.IsEmpty)
        {
            _view = new QuantisedView(forms, IsStored, FindPiece, Path);
        }
    }

    public bool Contains(string name)
    {
        ObjectDisposedException.ThrowIf(_disposed, typeof(FfnCheckpoint));
        return _view?.Contains(name) ?? IsStored(name);
    }

    /// <summary>Whether a matrix is shown in place of the parts that are stored of it.</summary>
    public bool IsQuantised(string name) => _view?.Has(name) ?? false;

    /// <summary>The names of all tensors that begin with a path.</summary>
    public IEnumerable<string> Under(string path)
    {
        string[] names = Sorted();
        int first = Array.BinarySearch(names, path, StringComparer.Ordinal);
        for (int i = first < 0 ? ~first : first; i < names.Length && names[i].StartsWith(path, StringComparison.Ordinal); i++)
        {
            yield return names[i];
        }
    }

    /// <summary>A tensor that <see cref="Contains"/> knows, and its file.</summary>
    public (ITensorFile File, TensorEntry Tensor) Find(string name) =>
        _view?.Find(name) is { } matrix ? (matrix, matrix.Entry) : FindStored(name);

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            foreach (ITensorFile file in _open.Values)
            {
                file.Dispose();
            }
        }
    }

    private bool IsStored(string name) => _shards?.ContainsKey(name) ?? _open[OnlyFile].Tensors.ContainsKey(name);

    private TensorPiece? FindPiece(string name)
    {
        if (!IsStored(name))
        {
            return null;
        }

        (ITensorFile file, TensorEntry tensor) = FindStored(name);
        return new TensorPiece(file, tensor);
    }

    private (ITensorFile File, TensorEntry Tensor) FindStored(string name)
    {
        string shard = _shards is null ? OnlyFile : _shards[name];
        ITensorFile file = FileOf(shard);
        return file.Tensors.TryGetValue(name, out TensorEntry? tensor)
            ? (file, tensor)
            : throw new CheckpointException(
                $"{Path}: says that tensor {CheckpointText.Quote(name)} is in {CheckpointText.Quote(shard)}, which does not have it. Get both files again.");
    }

    private string[] Sorted()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(FfnCheckpoint));
            IEnumerable<string> stored = _shards?.Keys ?? (IEnumerable<string>)_open[OnlyFile].Tensors.Keys;
            return _sorted ??= [.. (_view?.Show(stored) ?? stored).Order(StringComparer.Ordinal)];
        }
    }

    private ITensorFile FileOf(string shard)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(FfnCheckpoint));
            if (!_open.TryGetValue(shard, out ITensorFile? file))
            {
                file = TensorFiles.Open(PathOf(shard));
                _open.Add(shard, file);
            }

            return file;
        }
    }

    private string PathOf(string shard) =>
        System.IO.Path.Combine(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(Path))!, shard);

    // An index must not lead out of its folder.
    private static void RequirePlainName(string path, string tensor, string shard)
    {
        bool plain = shard.Length > 0 && shard != "." && !shard.Contains("..", StringComparison.Ordinal)
            && shard.AsSpan().IndexOfAny("/\\:\0") < 0 && !System.IO.Path.IsPathRooted(shard);
        if (!plain)
        {
            throw new CheckpointException(
                $"{path}: places tensor {CheckpointText.Quote(tensor)} in {CheckpointText.Quote(shard)}; a shard must be a plain file name beside the index.");
        }
    }
}
