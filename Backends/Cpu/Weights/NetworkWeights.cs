using System.Collections.Immutable;
using NativeFfn.Backends.Cpu.Gemm;
using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Cpu.Numa;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Backends.Cpu.Weights;

/// <summary>The matrices and biases of one network in one piece of native memory, each on a cache-line boundary.</summary>
internal sealed unsafe class NetworkWeights
{
    private readonly StageWeights[] _weights;

    /// <summary>Reads every tensor once, in pieces.</summary>
    /// <param name="layer">The layer that the network belongs to.</param>
    /// <param name="expert">An expert of it, <see cref="FfnTensor.SharedExpert"/> or <see cref="FfnTensor.NoExpert"/>.</param>
    /// <param name="source">The layer's weights.</param>
    /// <param name="gemms">The GEMMs to choose from.</param>
    /// <param name="nodes">Puts the memory where threads read it; null where that is anywhere.</param>
    public NetworkWeights(FfnSpec layer, int expert, IFfnWeightSource source, GemmList gemms, NodeMemory? nodes)
        : this(
            (expert == FfnTensor.SharedExpert ? layer.ExpertSpec(expert)! : layer).Stages,
            key => layer.Find(key with { Expert = expert })!,
            source,
            gemms,
            nodes,
            expert == FfnTensor.NoExpert ? $"The weights of {layer}" : $"The weights of an expert of {layer}") =>
        FinishesHiddenRows |= layer.FinishesHiddenRows;

    /// <summary>Reads every tensor once, in pieces.</summary>
    /// <param name="stages">The stages.</param>
    /// <param name="find">The tensor of a stage's role.</param>
    /// <param name="source">Where tensors come from.</param>
    /// <param name="gemms">The GEMMs to choose from.</param>
    /// <param name="nodes">Puts the memory where threads read it; null where that is anywhere.</param>
    /// <param name="purpose">What the memory is for, in messages.</param>
    public NetworkWeights(
        ImmutableArray<FfnStage> stages, Func<TensorKey, FfnTensor> find, IFfnWeightSource source, GemmList gemms, NodeMemory? nodes, string purpose)
    {
        Stages = stages;
        _weights = Describe(stages, find, source, gemms);
        TilesWorthWidening = _weights.Min(static stage => stage.TilesWorthWidening);
        FinishesHiddenRows = _weights is [_, { ColumnOrder: not null }, ..];
        IWeightLayout layout = gemms.LayoutOf(_weights);
        Memory = new NativeBuffer(ElementsOf(_weights, layout), purpose);
        try
        {
            Placement = nodes?.Place(Memory, Runs(layout));
            float* place = Memory.Pointer;
            for (int i = 0; i < _weights.Length; i++)
            {
                _weights[i].Matrices = place;
                place += NativeBuffer.Align(layout.Elements(_weights[i]));
                place = ReadStage(i, find, source, layout, place);
            }

            Gemms = gemms.Choose(_weights);
        }
        catch
        {
            Memory.Dispose();
            throw;
        }
    }

    /// <summary>The stages' shapes.</summary>
    public ImmutableArray<FfnStage> Stages { get; }

    /// <summary>How the network is multiplied, and so how its matrices lie.</summary>
    public GemmChoice Gemms { get; }

    /// <summary>
    /// Whether the first stage leaves its projections as they are, for <see cref="Forward.HiddenRows"/> to finish as whole rows: the layer's
    /// formula wants such, or the next stage their columns in an order of its own.
    /// </summary>
    public bool FinishesHiddenRows { get; }

    /// <summary>The memory; pointers hold only while a reference to it is held.</summary>
    public NativeBuffer Memory { get; }

    /// <summary>Where the memory was put; null where that is anywhere.</summary>
    public NodePlacement? Placement { get; }

    /// <summary>What converting lost of the matrix that lost most.</summary>
    public QuantizationError Error { get; private set; }

    /// <summary>The tensors of each stage.</summary>
    public ReadOnlySpan<StageWeights> Weights => _weights;

    /// <summary>Tiles of tokens from which on some matrix is widened.</summary>
    public int TilesWorthWidening { get; }

    /// <summary>Elements of an input row.</summary>
    public int InputWidth => Stages[0].InputWidth;

    /// <summary>Elements of an output row.</summary>
    public int OutputWidth => Stages[^1].Width;

    /// <summary>Floats that an expert's weights take.</summary>
    /// <exception cref="OverflowException">They pass 64 bits.</exception>
    public static long ElementsOf(FfnSpec layer, int expert, IFfnWeightSource source, GemmList gemms)
    {
        StageWeights[] weights = Describe(layer.Stages, key => layer.Find(key with { Expert = expert })!, source, gemms);
        return ElementsOf(weights, gemms.LayoutOf(weights));
    }

    private static long ElementsOf(StageWeights[] stages, IWeightLayout layout)
    {
        long elements = 0;
        foreach (StageWeights stage in stages)
        {
            elements = checked(elements + ElementsOf(stage, layout));
        }

        return elements;
    }

    private static long ElementsOf(StageWeights stage, IWeightLayout layout)
    {
        FfnStage shape = stage.Shape;
        long bias = shape.HasBias ? shape.ProjectionCount * NativeBuffer.Align(shape.Width) : 0;
        return checked(NativeBuffer.Align(layout.Elements(stage)) + bias);
    }

    private static StageWeights[] Describe(
        ImmutableArray<FfnStage> stages, Func<TensorKey, FfnTensor> find, IFfnWeightSource source, GemmList gemms)
    {
        WeightEncoding[][] encodings =
        [
            .. stages.Select((stage, index) =>
                (WeightEncoding[])[.. Enumerable.Range(0, stage.ProjectionCount).Select(projection => gemms.EncodingOf(source, find(Key(index, projection))))]),
        ];

        // Rows have one form in all of a network, and one order for all projections of a stage; only whole rows are brought into another.
        bool[] agree = [.. encodings.Select(static (its, stage) => its.All(encoding => HaveOneOrder(encoding, its[0]) && (stage < 2 || encoding.ColumnOrder is null)))];
        bool takes = agree.All(static agrees => agrees) && encodings.All(stage => stage.All(encoding => encoding.Takes(gemms.Tokens)));
        StageWeights[] weights = With(takes ? gemms.Tokens : TokenType.Float32);
        return weights.All(static stage => stage.HasOneForm) ? weights : With(TokenType.Float32);

        StageWeights[] With(TokenType tokens) =>
        [
            .. stages.Select((stage, index) => new StageWeights(stage, [.. encodings[index].Select(encoding =>
                agree[index] || encoding.ColumnOrder is null ? PanelKernel.Of(encoding, tokens) : PanelKernel.Decoding(encoding))])),
        ];
    }

    private static bool HaveOneOrder(WeightEncoding encoding, WeightEncoding other) =>
        encoding.ColumnOrder.AsSpan().SequenceEqual(other.ColumnOrder);

    // Matrices as they will lie; biases go with what is before them.
    private IEnumerable<(long Offset, long Bytes)> Runs(IWeightLayout layout)
    {
        long place = 0;
        foreach (StageWeights stage in _weights)
        {
            foreach ((long offset, long bytes) in layout.Runs(stage))
            {
                yield return ((place * sizeof(float)) + offset, bytes);
            }

            place += ElementsOf(stage, layout);
        }
    }

    private static TensorKey Key(int stage, int projection) => new(projection == 0 ? FfnTensorRole.Weight : FfnTensorRole.UpWeight, stage);

    private float* ReadStage(
        int index, Func<TensorKey, FfnTensor> find, IFfnWeightSource source, IWeightLayout layout, float* place)
    {
        StageWeights weights = _weights[index];
        for (int projection = 0; projection < weights.Shape.ProjectionCount; projection++)
        {
            var encoder = new RowEncoder(weights.KernelOf(projection).Encoding);
            layout.Read(weights, projection, find(Key(index, projection)), source, encoder);
            Error = QuantizationError.Worst(Error, encoder.Error);
            if (!weights.Shape.HasBias)
            {
                continue;
            }

            FfnTensor bias = find(new TensorKey(projection == 0 ? FfnTensorRole.Bias : FfnTensorRole.UpBias, index));
            source.ReadRows(bias, 0, new Span<float>(place, weights.Shape.Width));
            if (projection == 0)
            {
                weights.Bias = place;
            }
            else
            {
                weights.UpBias = place;
            }

            place += NativeBuffer.Align(weights.Shape.Width);
        }

        return place;
    }
}
