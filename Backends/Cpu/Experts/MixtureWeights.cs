using System.Runtime.InteropServices;
using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Routing;

namespace NativeFfn.Backends.Cpu.Experts;

/// <summary>All weights of a mixture: router, experts, the shared network and the norm. Holding a reference keeps them from being freed.</summary>
internal sealed unsafe class MixtureWeights : SafeHandle
{
    private readonly NativeBuffer _vectors;

    /// <summary>Reads every tensor once; experts that are bounded later, and then as often as they are needed.</summary>
    /// <param name="spec">The mixture.</param>
    /// <param name="source">Its weights.</param>
    /// <param name="products">How experts are multiplied, and so kept.</param>
    /// <param name="maxResidentExperts">Experts in memory at a time; 0 for all.</param>
    public MixtureWeights(FfnSpec spec, IFfnWeightSource source, CpuProducts products, int maxResidentExperts)
        : base(0, ownsHandle: true)
    {
        Spec = spec;
        MixtureSpec mixture = spec.Mixture!;
        FfnSpec expert = spec.ExpertSpec(0)!;
        int resident = maxResidentExperts == 0 ? mixture.Experts : Math.Min(maxResidentExperts, mixture.Experts);
        NativeBuffer.RequireRoom(
            checked(resident * CpuWeights.ElementsOf(expert, products) * sizeof(float)), $"{resident} experts of {spec}");
        Tokens = new ExpertTokens(mixture.Experts);
        _vectors = new NativeBuffer(
            spec.Tensors.Where(IsOwnVector).Sum(static tensor => NativeBuffer.Align(tensor.Columns)), $"The vectors of {spec}");
        try
        {
            ReadVectors(source);
            var router = FfnSpec.Stack(new FfnStage(FfnKind.Linear, spec.InputWidth, mixture.Experts, HasBias: false));
            FfnTensor stored = spec.Tensors.Single(static tensor => tensor.Role == FfnTensorRole.RouterWeight);
            Router = new CpuWeights(router, new StackedSource(source, stored), CpuProducts.OfPanels(FfnPrecision.Float32));
            if (spec.ExpertSpec(FfnTensor.SharedExpert) is { } shared)
            {
                Shared = new CpuWeights(shared, new ExpertSource(source, FfnTensor.SharedExpert), products);
            }

            Experts = new ExpertStore(mixture.Experts, resident, index => new CpuWeights(expert, new ExpertSource(source, index), products));
            SetHandle(1);
        }
        catch
        {
            Free();
            throw;
        }
    }

    /// <summary>The mixture.</summary>
    public FfnSpec Spec { get; }

    /// <summary>The router, in float32.</summary>
    public CpuWeights Router { get; } = null!;

    /// <summary>The network that all tokens go through; null where there is none.</summary>
    public CpuWeights? Shared { get; }

    /// <summary>The experts.</summary>
    public ExpertStore Experts { get; } = null!;

    /// <summary>How many tokens each expert was sent.</summary>
    public ExpertTokens Tokens { get; }

    /// <summary>The norm of a block.</summary>
    public CpuWeights.NormWeights PreNorm { get; private set; }

    /// <summary>The shared network's gate; null where there is none.</summary>
    public float* SharedGate { get; private set; }

    /// <summary>What is added to scores for choosing; null where there is nothing.</summary>
    public float* SelectionBias { get; private set; }

    /// <summary>Bytes in memory now.</summary>
    public long Bytes => _vectors.ByteLength + Router.Memory.ByteLength + (Shared?.Memory.ByteLength ?? 0) + Experts.ResidentBytes;

    /// <summary>What was lost by the precision, in the experts that were read so far.</summary>
    public double Error => (Experts.Error + (Shared?.Error ?? default)).Relative;

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        Free();
        return true;
    }

    private static bool IsOwnVector(FfnTensor tensor) => tensor is { IsVector: true, Expert: FfnTensor.NoExpert };

    // Also from a constructor that failed half-way, where later parts are missing.
    private void Free()
    {
        ExpertStore? experts = Experts;
        experts?.Dispose();
        Shared?.Memory.Dispose();
        CpuWeights? router = Router;
        router?.Memory.Dispose();
        _vectors.Dispose();
    }

    private void ReadVectors(IFfnWeightSource source)
    {
        float* place = _vectors.Pointer;
        CpuWeights.NormWeights norm = default;
        foreach (FfnTensor tensor in Spec.Tensors.Where(IsOwnVector))
        {
            source.ReadRows(tensor, 0, new Span<float>(place, tensor.Columns));
            switch (tensor.Role)
            {
                case FfnTensorRole.RouterSelectionBias:
                    SelectionBias = place;
                    Routing.Router.RequireFinite(tensor, new ReadOnlySpan<float>(place, tensor.Columns));
                    break;
                case FfnTensorRole.SharedGateWeight:
                    SharedGate = place;
                    break;
                case FfnTensorRole.PreNormWeight:
                    norm.Weight = place;
                    break;
                default:
                    norm.Bias = place;
                    break;
            }

            place += NativeBuffer.Align(tensor.Columns);
        }

        PreNorm = norm;
    }
}
