using System.Runtime.InteropServices;
using NativeFfn.Backends.Cpu.Gemm;
using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Cpu.Numa;
using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Routing;

namespace NativeFfn.Backends.Cpu.Weights;

/// <summary>All weights of a layer: its network, or a mixture's router and experts, and the vectors around them. Holding a reference keeps them from being freed.</summary>
internal sealed unsafe class CpuLayerWeights : SafeHandle
{
    private readonly NativeBuffer _vectors;
    private readonly Dictionary<FfnTensorRole, nint> _places = [];

    /// <summary>Reads every tensor once; experts that are bounded later, and then as often as they are needed.</summary>
    /// <param name="spec">The layer.</param>
    /// <param name="source">Its weights.</param>
    /// <param name="gemms">How networks are multiplied, and so kept.</param>
    /// <param name="maxResidentExperts">Experts in memory at a time; 0 for all.</param>
    /// <param name="readers">Threads that read experts ahead, beside a forward's own.</param>
    /// <param name="nodes">Puts matrices where threads read them; null where that is anywhere.</param>
    public CpuLayerWeights(FfnSpec spec, IFfnWeightSource source, GemmList gemms, int maxResidentExperts, int readers, NodeMemory? nodes = null)
        : base(0, ownsHandle: true)
    {
        Spec = spec;
        FfnTensor[] vectors = [.. spec.Tensors.Where(IsOwnVector)];
        _vectors = new NativeBuffer(vectors.Sum(static tensor => NativeBuffer.Align(tensor.Columns)), $"The vectors of {spec}");
        try
        {
            ReadVectors(vectors, source);
            if (spec.Mixture is { } mixture)
            {
                ReadMixture(mixture, source, gemms, maxResidentExperts, readers, nodes);
            }
            else
            {
                Network = new NetworkWeights(spec, FfnTensor.NoExpert, source, gemms, nodes);
            }

            Encodings = string.Join('+', spec.Tensors
                .Where(tensor => tensor is { IsVector: false, Role: FfnTensorRole.Weight or FfnTensorRole.UpWeight }
                    && tensor.Expert <= (spec.Mixture?.FirstOwnExpert ?? 0))
                .Select(tensor => gemms.EncodingOf(source, tensor).Name).Distinct().Order(StringComparer.Ordinal));
            SetHandle(1);
        }
        catch
        {
            Free();
            throw;
        }
    }

    /// <summary>The layer.</summary>
    public FfnSpec Spec { get; }

    /// <summary>The network of a layer that is no mixture.</summary>
    public NetworkWeights? Network { get; private set; }

    /// <summary>A mixture's router, in float32.</summary>
    public NetworkWeights? Router { get; private set; }

    /// <summary>The network that all tokens of a mixture go through; null where there is none.</summary>
    public NetworkWeights? Shared { get; private set; }

    /// <summary>A mixture's experts.</summary>
    public ExpertStore? Experts { get; private set; }

    /// <summary>How many tokens each expert was sent.</summary>
    public ExpertTokens? Tokens { get; private set; }

    /// <summary>Bytes in memory now.</summary>
    public long Bytes => _vectors.ByteLength + BytesOf(Network) + BytesOf(Router) + BytesOf(Shared) + (Experts?.ResidentBytes ?? 0);

    /// <summary>The loss of the matrix that lost most, in the experts that were read so far.</summary>
    public QuantizationError Error => QuantizationError.Worst(
        QuantizationError.Worst(Network?.Error ?? default, Shared?.Error ?? default), Experts?.Error ?? default);

    /// <summary>The encodings of its matrices, with + between them; of experts those of the first.</summary>
    public string Encodings { get; }

    /// <summary>Which GEMM multiplies how many tokens; of experts what the first of those in memory has.</summary>
    public string Gemms => (Network ?? Shared ?? Experts?.First)?.Gemms.ToString() ?? "chosen with the first expert";

    /// <summary>Where the matrices in memory were put, in words; empty where that is anywhere.</summary>
    public string Placement => NodePlacement.Describe(
        [.. new[] { Network, Router, Shared }.Select(static network => network?.Placement).OfType<NodePlacement>(), .. Experts?.Placements ?? []]);

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>A vector of the layer itself; null where it has none such.</summary>
    public float* Vector(FfnTensorRole role) => (float*)_places.GetValueOrDefault(role);

    /// <summary>The same as a span of so many numbers, empty where there is none.</summary>
    public ReadOnlySpan<float> Numbers(FfnTensorRole role, int count)
    {
        float* vector = Vector(role);
        return new ReadOnlySpan<float>(vector, vector == null ? 0 : count);
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        Free();
        return true;
    }

    private static bool IsOwnVector(FfnTensor tensor) =>
        tensor is { IsVector: true, Expert: FfnTensor.NoExpert } && tensor.Role is not (FfnTensorRole.Bias or FfnTensorRole.UpBias);

    private static long BytesOf(NetworkWeights? network) => network?.Memory.ByteLength ?? 0;

    private void ReadVectors(FfnTensor[] vectors, IFfnWeightSource source)
    {
        float* place = _vectors.Pointer;
        foreach (FfnTensor tensor in vectors)
        {
            var values = new Span<float>(place, tensor.Columns);
            source.ReadRows(tensor, 0, values);
            if (tensor.Role == FfnTensorRole.RouterSelectionBias)
            {
                Routing.Router.RequireFinite(tensor, values);
            }

            _places.Add(tensor.Role, (nint)place);
            place += NativeBuffer.Align(tensor.Columns);
        }
    }

    private void ReadMixture(MixtureSpec mixture, IFfnWeightSource source, GemmList gemms, int maxResidentExperts, int readers, NodeMemory? nodes)
    {
        int own = mixture.OwnExperts;
        int resident = maxResidentExperts == 0 ? own : Math.Min(maxResidentExperts, own);
        NativeBuffer.RequireRoom(
            checked(resident * NetworkWeights.ElementsOf(Spec, mixture.FirstOwnExpert, source, gemms) * sizeof(float)), $"{resident} experts of {Spec}");
        Tokens = new ExpertTokens(mixture.Experts);
        FfnTensor router = Spec.Find(new TensorKey(FfnTensorRole.RouterWeight))!;
        Router = new NetworkWeights(
            [new FfnStage(FfnKind.Linear, Spec.InputWidth, mixture.Experts, HasBias: false)],
            _ => router, source, new GemmList(FfnPrecision.Float32), nodes, $"The router of {Spec}");
        if (mixture.SharedDFf > 0)
        {
            Shared = new NetworkWeights(Spec, FfnTensor.SharedExpert, source, gemms, nodes);
        }

        Experts = new ExpertStore(
            mixture.FirstOwnExpert, own, resident, readers, index => new NetworkWeights(Spec, index, source, gemms, nodes));
    }

    // Also from a constructor that failed half-way, where later parts are missing.
    private void Free()
    {
        Experts?.Dispose();
        Shared?.Memory.Dispose();
        Router?.Memory.Dispose();
        Network?.Memory.Dispose();
        _vectors.Dispose();
    }
}
