using System.Collections.Immutable;
using NativeFfn.Backends.Cpu.Gemm;
using NativeFfn.Backends.Cpu.Memory;
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
    public NetworkWeights(FfnSpec layer, int expert, IFfnWeightSource source, GemmList gemms)
        : this(
            (expert == FfnTensor.SharedExpert ? layer.ExpertSpec(expert)! : layer).Stages,
            key => layer.Find(key with { Expert = expert })!,
            source,
            gemms,
            expert == FfnTensor.NoExpert ? $"The weights of {layer}" : $"The weights of an expert of {layer}") =>
        FinishesHiddenRows = layer.FinishesHiddenRows;

    /// <summary>Reads every tensor once, in pieces.</summary>
    /// <param name="stages">The stages.</param>
    /// <param name="find">The tensor of a stage's role.</param>
    /// <param name="source">Where tensors come from.</param>
    /// <param name="gemms">The GEMMs to choose from.</param>
    /// <param name="purpose">What the memory is for, in messages.</param>
    public NetworkWeights(
        ImmutableArray<FfnStage> stages, Func<TensorKey, FfnTensor> find, IFfnWeightSource source, GemmList gemms, string purpose)
    {
        Stages = stages;
        _weights = new StageWeights[stages.Length];
        Memory = new NativeBuffer(ElementsOf(stages, gemms), purpose);
        try
        {
            var encoder = new RowEncoder(gemms.Encoding);
            float* place = Memory.Pointer;
            for (int i = 0; i < stages.Length; i++)
            {
                Read(i, find, source, encoder, gemms.Layout, ref place);
            }

            Error = encoder.Error;
            Gemms = gemms.Choose(stages);
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

    /// <summary>Whether the first stage leaves its projections as they are, for <see cref="Forward.HiddenRows"/> to finish as whole rows.</summary>
    public bool FinishesHiddenRows { get; }

    /// <summary>The memory; pointers hold only while a reference to it is held.</summary>
    public NativeBuffer Memory { get; }

    /// <summary>What converting the weights lost.</summary>
    public QuantizationError Error { get; }

    /// <summary>The tensors of each stage.</summary>
    public ReadOnlySpan<StageWeights> Weights => _weights;

    /// <summary>Elements of an input row.</summary>
    public int InputWidth => Stages[0].InputWidth;

    /// <summary>Elements of an output row.</summary>
    public int OutputWidth => Stages[^1].Width;

    /// <summary>Floats that a network's weights take.</summary>
    /// <exception cref="OverflowException">They pass 64 bits.</exception>
    public static long ElementsOf(ImmutableArray<FfnStage> stages, GemmList gemms)
    {
        long elements = 0;
        foreach (FfnStage stage in stages)
        {
            long bias = stage.HasBias ? stage.ProjectionCount * NativeBuffer.Align(stage.Width) : 0;
            elements = checked(elements + NativeBuffer.Align(gemms.Layout.Elements(stage)) + bias);
        }

        return elements;
    }

    private void Read(
        int index, Func<TensorKey, FfnTensor> find, IFfnWeightSource source, RowEncoder encoder, IWeightLayout layout, ref float* place)
    {
        FfnStage stage = Stages[index];
        ref StageWeights weights = ref _weights[index];
        weights.Matrices = place;
        place += NativeBuffer.Align(layout.Elements(stage));
        for (int projection = 0; projection < stage.ProjectionCount; projection++)
        {
            FfnTensor matrix = find(new TensorKey(projection == 0 ? FfnTensorRole.Weight : FfnTensorRole.UpWeight, index));
            layout.Read(stage, projection, matrix, source, encoder, weights.Matrices);
            if (!stage.HasBias)
            {
                continue;
            }

            FfnTensor bias = find(new TensorKey(projection == 0 ? FfnTensorRole.Bias : FfnTensorRole.UpBias, index));
            source.ReadRows(bias, 0, new Span<float>(place, stage.Width));
            (projection == 0 ? ref weights.Bias : ref weights.UpBias) = place;
            place += NativeBuffer.Align(stage.Width);
        }
    }

    /// <summary>The tensors of a stage; null where the stage has none.</summary>
    public struct StageWeights
    {
        /// <summary>The projections, as the layout has them.</summary>
        public float* Matrices;

        public float* Bias;
        public float* UpBias;
    }
}
