using System.Collections.Immutable;
using NativeFfn.Backends.Encodings.Ggml;
using NativeFfn.Checkpoints.Families;
using NativeFfn.Checkpoints.Files;

namespace NativeFfn.Checkpoints;

/// <summary>Finds one layer's tensors by the names that its family gives them, and holds each against the configuration.</summary>
internal sealed class LayerFinder
{
    // BERT checkpoints of old call a LayerNorm's weight and bias by the letters of its formula.
    private static readonly string[] NormWeightEndings = [".weight", ".gamma"];
    private static readonly string[] NormBiasEndings = [".bias", ".beta"];

    private readonly FamilyLayout _layout;
    private readonly CheckpointTensors _tensors;
    private readonly int _layer;
    private readonly string _path;
    private readonly StoredNetwork _network;
    private readonly CheckpointWeights _weights = new();
    private readonly HashSet<string> _used = [];

    public LayerFinder(FamilyLayout layout, CheckpointTensors tensors, int layer)
    {
        _layout = layout;
        _tensors = tensors;
        _layer = layer;
        (_path, _network) = FindNetwork();
    }

    public FfnCheckpointLayer Find()
    {
        FfnSpec spec = WithNorms(_network.Spec);
        var types = new SortedSet<string>(StringComparer.Ordinal);
        foreach (FfnTensor wanted in spec.Tensors)
        {
            string type = StoredNorm(wanted.Role) is { } norm ? AddNorm(wanted, norm) : AddTensor(wanted);
            if (!wanted.IsVector)
            {
                types.Add(type);
            }
        }

        RefuseUnexpected(spec);
        return new FfnCheckpointLayer(_layer, spec, _weights, string.Join('+', types));
    }

    private (string Path, StoredNetwork Network) FindNetwork()
    {
        ImmutableArray<StoredNetwork> forms = _layout.Networks(_layer);
        foreach (StoredNetwork form in forms)
        {
            foreach (string prefix in _layout.Prefixes)
            {
                string path = prefix + _layout.LayerPath(_layer);
                if (form.Markers.Any(marker => _tensors.Contains(path + marker)))
                {
                    return (path, form);
                }
            }
        }

        string first = _layout.Prefixes[0] + _layout.LayerPath(_layer) + forms[0].Markers.First();
        string where = (forms.Length, _layout.Prefixes.Length) switch
        {
            (1, 1) => "",
            (1, _) => ", under this or another of the family's prefixes",
            _ => ", under this or another of the family's names",
        };
        throw Missing(first, where);
    }

    private FfnSpec WithNorms(FfnSpec spec)
    {
        if (_layout.WhyNoBlock is { } reason)
        {
            return spec.WithoutBlock(reason);
        }

        foreach (StoredNorm? norm in (ReadOnlySpan<StoredNorm?>)[_layout.PreNorm, _layout.BranchNorm, _layout.PostNorm])
        {
            if (norm is null)
            {
                continue;
            }

            if (FindNorm(norm, NormWeightEndings) is null)
            {
                return WithoutNorm(spec, norm.Name + NormWeightEndings[0]);
            }

            if (norm.Norm.HasBias && FindNorm(norm, NormBiasEndings) is null)
            {
                return WithoutNorm(spec, norm.Name + NormBiasEndings[0]);
            }
        }

        return spec.WithNorms(_layout.PreNorm?.Norm, _layout.BranchNorm?.Norm, _layout.PostNorm?.Norm);
    }

    private FfnSpec WithoutNorm(FfnSpec spec, string name) =>
        spec.WithoutBlock($"{_tensors.Path} has no tensor {CheckpointText.Quote(_path + name)}, a norm of layer {_layer}; the other modes work without.");

    private StoredNorm? StoredNorm(FfnTensorRole role) => role switch
    {
        FfnTensorRole.PreNormWeight or FfnTensorRole.PreNormBias => _layout.PreNorm,
        FfnTensorRole.BranchNormWeight or FfnTensorRole.BranchNormBias => _layout.BranchNorm,
        FfnTensorRole.PostNormWeight or FfnTensorRole.PostNormBias => _layout.PostNorm,
        _ => null,
    };

    private string? FindNorm(StoredNorm norm, string[] endings) =>
        endings.Select(ending => _path + norm.Name + ending).FirstOrDefault(_tensors.Contains);

    private string AddNorm(FfnTensor wanted, StoredNorm norm)
    {
        bool isWeight = wanted.Role is FfnTensorRole.PreNormWeight or FfnTensorRole.BranchNormWeight or FfnTensorRole.PostNormWeight;
        string name = FindNorm(norm, isWeight ? NormWeightEndings : NormBiasEndings)!;
        (ITensorFile file, TensorEntry stored) = Open(name, [wanted.Columns]);
        _weights.Add(wanted, StoredRows.Of(file, stored));
        return stored.Type;
    }

    private string AddTensor(FfnTensor wanted)
    {
        StoredTensor place = _network.Place(wanted);
        string name = _path + place.Name;
        if (!_tensors.Contains(name))
        {
            throw Missing(name, wanted.Expert >= 0 ? $", a part of expert {wanted.Expert}" : "");
        }

        (ITensorFile file, TensorEntry stored) = Open(name, place.Shape.AsSpan());
        stored = WithScale(file, stored, place.First);
        bool part = wanted.IsVector && stored.ElementCount != wanted.ElementCount;
        _weights.Add(
            wanted,
            place.Transposed ? StoredRows.OfTransposed(file, stored, wanted.Rows, wanted.Columns)
            : part ? StoredRows.OfPart(file, stored, wanted.Columns, place.First)
            : StoredRows.Of(file, stored, wanted.Columns, place.First));
        return stored.Type;
    }

    private (ITensorFile File, TensorEntry Tensor) Open(string name, ReadOnlySpan<long> shape)
    {
        _used.Add(name);
        (ITensorFile file, TensorEntry stored) = _tensors.Find(name);
        if (!stored.Shape.AsSpan().SequenceEqual(shape))
        {
            throw new CheckpointException(
                $"{file.Path}: tensor {CheckpointText.Quote(name)} has shape {CheckpointText.Shape(stored.Shape.AsSpan())}; the configuration asks for {CheckpointText.Shape(shape)}.");
        }

        return (file, stored);
    }

    // The scale beside a matrix, or the one of a stack's expert. That of activations, for who rounds those, has no part in the weights.
    private TensorEntry WithScale(ITensorFile file, TensorEntry stored, long firstRow)
    {
        const string ending = ".weight";
        string path = stored.Name.EndsWith(ending, StringComparison.Ordinal) ? stored.Name[..^ending.Length] : stored.Name;
        string name = path + ".scale";
        _used.Add(path + ".input_scale");
        if (!file.HasScales || stored.Encoding is not { } encoding || !_tensors.Contains(name))
        {
            return stored;
        }

        (ITensorFile scaleFile, TensorEntry scale) = _tensors.Find(name);
        long parts = stored.Shape.Length > 2 && scale.ElementCount != 1 ? stored.Shape[0] : 1;
        if (scale.ElementCount != parts)
        {
            throw new CheckpointException(
                $"{scaleFile.Path}: tensor {CheckpointText.Quote(name)} has {scale.ElementCount} elements; "
                + "the scale of a tensor is one, or one an expert. Get the file again.");
        }

        _used.Add(name);
        float[] factor = new float[1];
        StoredRows.OfPart(scaleFile, scale, 1, firstRow / (stored.Rows / parts)).ReadFloats(0, factor);
        return stored with { Encoding = new ScaledEncoding(encoding, factor[0]) };
    }

    // Biases, scales, adapters, further experts: left out, they would make every number a little wrong.
    private void RefuseUnexpected(FfnSpec spec)
    {
        HashSet<string> parts = [.. _used.Select(name => FirstPart(name[_path.Length..]))];
        foreach (string name in _tensors.Under(_path))
        {
            string part = FirstPart(name[_path.Length..]);
            if (!_used.Contains(name) && (parts.Contains(part) || MayConcern(part)) && !(spec.WhyNoBlock is not null && IsNorm(name)))
            {
                throw new CheckpointException(
                    $"{_tensors.Path}: has tensor {CheckpointText.Quote(name)}, but its configuration means layers without it. " +
                    "Correct config.json, or merge what it stands for into the weights.");
            }
        }
    }

    // Without a block, norms around the network are not needed; those inside of it are.
    private bool IsNorm(string name)
    {
        string inLayer = name[_path.Length..];
        return new[] { _layout.PreNorm, _layout.BranchNorm, _layout.PostNorm }.OfType<StoredNorm>()
            .Any(norm => inLayer.StartsWith(norm.Name + ".", StringComparison.Ordinal)) || NameParts.IsNorm(FirstPart(inLayer));
    }

    private static bool MayConcern(string part) => !NameParts.IsAttention(part) && (NameParts.IsNorm(part) || NameParts.IsNetwork(part));

    private static string FirstPart(string name) => name.IndexOf('.', StringComparison.Ordinal) is var dot and >= 0 ? name[..dot] : name;

    private CheckpointException Missing(string name, string where) => new(
        $"{_tensors.Path}: has no tensor {CheckpointText.Quote(name)}{where}, which layer {_layer} needs. Is the checkpoint complete, and config.json its own?");
}
