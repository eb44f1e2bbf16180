using System.Globalization;
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
    private readonly FfnFamily _family;
    private readonly CheckpointTensors _tensors;
    private readonly int _layer;
    private readonly LayerNames _names;
    private readonly StoredNetwork _network;
    private readonly CheckpointWeights _weights = new();
    private readonly HashSet<string> _used = [];

    // Paths under which all belongs to the network or to a norm of it.
    private readonly HashSet<string> _own = [];

    public LayerFinder(FamilyLayout layout, CheckpointTensors tensors, int layer)
    {
        _layout = layout;
        _family = layout.Family;
        _tensors = tensors;
        _layer = layer;
        (_names, NetworkForm form) = FindNetwork(layout.Plan(layer));
        _family = form.IsMixture && _family.Mixture?.BranchNorm is { } norm ? _family with { BranchNorm = norm } : _family;
        _network = form.Fit(_names);
    }

    public FfnCheckpointLayer Find()
    {
        FfnSpec spec = WithNorms(WithTensorParameters(_network.Spec));
        var types = new SortedSet<string>(StringComparer.Ordinal);
        foreach (FfnTensor wanted in spec.Tensors)
        {
            string type = NormOf(wanted.Role) is { } norm ? AddNorm(wanted, norm.Norm, norm.IsWeight) : AddTensor(wanted);
            if (!wanted.IsVector)
            {
                types.Add(type);
            }
        }

        RefuseUnexpected(spec);
        return new FfnCheckpointLayer(_layer, spec, _weights, string.Join('+', types));
    }

    private (LayerNames Names, NetworkForm Form) FindNetwork(LayerPlan plan)
    {
        if (plan.Forms.IsEmpty)
        {
            throw new CheckpointException(
                $"{_tensors.Path}: layer {_layer} has no feed-forward network; {_family.WhyGaps ?? "its width is 0 in the configuration"}. " +
                "Name another layer.");
        }

        string[] prefixes = [.. _layout.Prefixes.Where(prefix => plan.Forms.Any(form => Has(form, prefix)))];
        if (prefixes.Length > 1)
        {
            throw new CheckpointException(
                $"{_tensors.Path}: has layer {_layer} under {CheckpointText.Quote(prefixes[0] + plan.Path)} and under " +
                $"{CheckpointText.Quote(prefixes[1] + plan.Path)}. Remove the tensors of the one that is not meant.");
        }

        if (prefixes is [string prefix])
        {
            NetworkForm[] found = [.. plan.Forms.Where(form => Has(form, prefix))];
            var names = new LayerNames(_tensors, prefix, plan.Path);
            return (names, found.Length == 1 ? found[0] : found.FirstOrDefault(form => form.Fits(names)) ?? found[0]);
        }

        string first = _layout.Prefixes[0] + plan.Path + plan.Forms[0].Markers.First();
        string where = (plan.Forms.Length, _layout.Prefixes.Length) switch
        {
            (1, 1) => "",
            (1, _) => ", under this or another of the family's prefixes",
            _ => ", under this or another of the family's names",
        };
        throw _family.WhyGaps is { } gaps
            ? new CheckpointException(
                $"{_tensors.Path}: layer {_layer} has no tensor {CheckpointText.Quote(first)}; {gaps}. Name another layer.")
            : Missing(first, where);

        bool Has(NetworkForm form, string prefix) => form.Markers.Any(marker => _tensors.Contains(prefix + plan.Path + marker));
    }

    // Some activations have learned numbers, which are no tensors of the layer.
    private FfnSpec WithTensorParameters(FfnSpec spec)
    {
        if (_family.ReadParameters is not { } read)
        {
            return spec;
        }

        FfnStage hidden = spec.Stages[0];
        try
        {
            return FfnSpec.Stack(hidden with { Kind = hidden.Kind with { Parameters = read(ReadNumber) } }, spec.Stages[1]);
        }
        catch (ArgumentException problem)
        {
            throw new CheckpointException($"{_tensors.Path}: layer {_layer}: {problem.Message.ReplaceLineEndings(" ")}", problem);
        }
    }

    private float? ReadNumber(string name)
    {
        if (!_names.Has(name))
        {
            return null;
        }

        _used.Add(_names.Path + name);
        (ITensorFile file, TensorEntry stored) = _tensors.Find(_names.Path + name);
        if (stored.ElementCount != 1)
        {
            throw WrongShape(file, stored, [1]);
        }

        float[] number = [0];
        StoredRows.Of(file, stored).ReadFloats(0, number);
        return float.IsFinite(number[0])
            ? number[0]
            : throw new CheckpointException(
                $"{file.Path}: tensor {CheckpointText.Quote(stored.Name)} is {number[0]}; it must be a finite number.");
    }

    private FfnSpec WithNorms(FfnSpec spec)
    {
        if (_family.InnerNorm is { } inner)
        {
            spec = spec.WithInnerNorm(ReadNorm(inner, out string? missing));
            _ = missing is null ? spec : throw Missing(missing, "");
        }

        if (_family.WhyNoBlock is { } reason)
        {
            return spec.WithoutBlock(reason);
        }

        NormSpec? pre = ReadNorm(_family.PreNorm, out string? lacksPre);
        NormSpec? branch = ReadNorm(_family.BranchNorm, out string? lacksBranch);
        NormSpec? post = ReadNorm(_family.PostNorm, out string? lacksPost);
        return (lacksPre ?? lacksBranch ?? lacksPost) is { } lacks
            ? spec.WithoutBlock(
                $"{_tensors.Path} has no tensor {CheckpointText.Quote(lacks)}, a norm of layer {_layer}; the other modes work without.")
            : WithBlockForm(spec.WithNorms(pre, branch, post));
    }

    private FfnSpec WithBlockForm(FfnSpec spec)
    {
        FamilyBlock block = _family.Block;
        float gate = block.TanhGate is { } name && ReadNumber(name) is { } number ? MathF.Tanh(number) : 1;
        BlockForm form = _layout.BlockForm with
        {
            BranchFactor = _layout.BlockForm.BranchFactor * gate,
            HasBranchScale = block.Scale is { } scale && _names.Has(scale),
        };
        return form == BlockForm.Plain ? spec : spec.WithBlockForm(form);
    }

    // A norm by what the file has of it, or the tensor that it lacks.
    private NormSpec? ReadNorm(FamilyNorm? norm, out string? missing)
    {
        missing = null;
        if (norm is null || norm.Names.IsEmpty)
        {
            return norm is null ? null : _layout.Read(norm, hasBias: false);
        }

        if (FindNorm(norm, NormWeightEndings) is not { } weight)
        {
            missing = PathOf(norm.Names[0]) + NormWeightEndings[0];
            return null;
        }

        bool found = FindNorm(norm, NormBiasEndings) is not null;
        if (norm.HasBias == true && !found)
        {
            missing = weight[..weight.LastIndexOf('.')] + NormBiasEndings[0];
            return null;
        }

        return _layout.Read(norm, norm.HasBias ?? found);
    }

    private (FamilyNorm Norm, bool IsWeight)? NormOf(FfnTensorRole role) => role switch
    {
        FfnTensorRole.PreNormWeight => (_family.PreNorm!, true),
        FfnTensorRole.PreNormBias => (_family.PreNorm!, false),
        FfnTensorRole.InnerNormWeight => (_family.InnerNorm!, true),
        FfnTensorRole.InnerNormBias => (_family.InnerNorm!, false),
        FfnTensorRole.BranchNormWeight => (_family.BranchNorm!, true),
        FfnTensorRole.BranchNormBias => (_family.BranchNorm!, false),
        FfnTensorRole.PostNormWeight => (_family.PostNorm!, true),
        FfnTensorRole.PostNormBias => (_family.PostNorm!, false),
        _ => null,
    };

    private string? FindNorm(FamilyNorm norm, string[] endings) =>
        norm.Names.SelectMany(name => endings.Select(ending => PathOf(name) + ending)).FirstOrDefault(_tensors.Contains);

    // A name with a slash before it stands beside the layers.
    private string PathOf(string name) => name.StartsWith('/')
        ? _names.Prefix + string.Format(CultureInfo.InvariantCulture, name[1..], _layer)
        : _names.Path + name;

    private string AddNorm(FfnTensor wanted, FamilyNorm norm, bool isWeight)
    {
        string name = FindNorm(norm, isWeight ? NormWeightEndings : NormBiasEndings)!;
        _own.Add(name[..(name.LastIndexOf('.') + 1)]);
        (ITensorFile file, TensorEntry stored) = Open(name, [wanted.Columns]);
        _weights.Add(wanted, StoredRows.Of(file, stored));
        return stored.Type;
    }

    private string AddTensor(FfnTensor wanted)
    {
        StoredTensor place = _network.Place(wanted) ?? new StoredTensor(_family.Block.Scale!, [wanted.Columns]);
        string name = _names.Path + place.Name;
        if (!_tensors.Contains(name))
        {
            throw Missing(name, wanted.Expert >= 0 ? $", a part of expert {wanted.Expert}" : "");
        }

        _own.Add(_names.Path + FirstPart(place.Name) + ".");
        (ITensorFile file, TensorEntry stored) = Open(name, place.Shape.AsSpan());
        _weights.Add(wanted, RowsOf(file, WithScale(file, stored, place.First), wanted, place));
        return stored.Type;
    }

    private static StoredRows RowsOf(ITensorFile file, TensorEntry stored, FfnTensor wanted, StoredTensor place) => place switch
    {
        { ColumnStep: 0 } => StoredRows.Of(file, stored, wanted.Columns, place.First, place.RowStep),
        { ColumnStep: 1 } when wanted.IsVector => StoredRows.OfPart(file, stored, wanted.Columns, place.First),
        _ => StoredRows.OfTransposed(file, stored, wanted.Rows, wanted.Columns, new(place.First, place.RowStep, place.ColumnStep)),
    };

    private (ITensorFile File, TensorEntry Tensor) Open(string name, ReadOnlySpan<long> shape)
    {
        _used.Add(name);
        (ITensorFile file, TensorEntry stored) = _tensors.Find(name);
        return stored.Shape.AsSpan().SequenceEqual(shape) ? (file, stored) : throw WrongShape(file, stored, shape);
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
        foreach (string name in _tensors.Under(_names.Path))
        {
            string part = FirstPart(name[_names.Path.Length..]);
            bool concerns = _own.Any(path => name.StartsWith(path, StringComparison.Ordinal)) || NetworkNames.Contains(part);
            if (concerns && !_used.Contains(name) && !(spec.WhyNoBlock is not null && IsOfBlock(name)))
            {
                throw new CheckpointException(
                    $"{_tensors.Path}: has tensor {CheckpointText.Quote(name)}, but its configuration means layers without it. " +
                    "Correct config.json, or merge what it stands for into the weights.");
            }
        }
    }

    // Without a block, norms around the network and its scales are not needed; what is inside of the network is.
    private bool IsOfBlock(string name)
    {
        string inLayer = name[_names.Path.Length..];
        return NetworkNames.IsOfBlock(FirstPart(inLayer)) || _family.Norms.Where(static norm => norm.Place != "inner")
            .SelectMany(static norm => norm.Norm.Names).Any(norm => inLayer.StartsWith(norm + ".", StringComparison.Ordinal));
    }

    private static string FirstPart(string name) => name.IndexOf('.', StringComparison.Ordinal) is var dot and >= 0 ? name[..dot] : name;

    private static CheckpointException WrongShape(ITensorFile file, TensorEntry stored, ReadOnlySpan<long> shape) => new(
        $"{file.Path}: tensor {CheckpointText.Quote(stored.Name)} has shape {CheckpointText.Shape(stored.Shape.AsSpan())}; " +
        $"the configuration asks for {CheckpointText.Shape(shape)}.");

    private CheckpointException Missing(string name, string where) => new(
        $"{_tensors.Path}: has no tensor {CheckpointText.Quote(name)}{where}, which layer {_layer} needs. " +
        "Is the checkpoint complete, and config.json its own?");
}
