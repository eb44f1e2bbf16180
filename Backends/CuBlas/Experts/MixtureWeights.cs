using System.Collections.Immutable;
using NativeFfn.Backends.CuBlas.Device;
using NativeFfn.Backends.CuBlas.Layers;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Backends.Routing;
using NativeFfn.Backends.Storage;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Experts;

/// <summary>All weights of a mixture in one piece of device memory: router, experts, the shared network and the norm.</summary>
internal sealed class MixtureWeights : IDisposable
{
    /// <summary>Reads every tensor once, in pieces, and uploads it.</summary>
    /// <param name="spec">The mixture.</param>
    /// <param name="source">Its weights.</param>
    /// <param name="loader">Carries them over.</param>
    public MixtureWeights(FfnSpec spec, IFfnWeightSource source, NetworkLoader loader)
    {
        Spec = spec;
        MixtureSpec mixture = spec.Mixture!;
        Tokens = new ExpertTokens(mixture.Experts);
        FfnTensor[] routerTensors = [.. spec.Tensors.Where(static tensor => tensor.Role is FfnTensorRole.RouterWeight or FfnTensorRole.SharedGateWeight)];
        FfnTensor[] norms = [.. spec.Tensors.Where(static tensor => tensor.Role is FfnTensorRole.PreNormWeight or FfnTensorRole.PreNormBias)];
        FfnSpec routerSpec = FfnSpec.Stack(new FfnStage(FfnKind.Linear, spec.InputWidth, routerTensors.Sum(static tensor => tensor.Rows), HasBias: false));
        var router = new WeightPlaces(routerSpec, DeviceFormat.Of(FfnPrecision.Float32));
        var expert = new WeightPlaces(spec.ExpertSpec(0)!, loader.Format);
        WeightPlaces? shared = spec.ExpertSpec(FfnTensor.SharedExpert) is { } found ? new WeightPlaces(found, loader.Format) : null;

        var layout = default(DeviceLayout);
        (long Offset, long Bytes) routerPlace = layout.Add(router.Bytes, 1);
        (long Offset, long Bytes)[] normPlaces = [.. norms.Select(tensor => layout.Add(DeviceFormat.Padded(tensor.Columns), sizeof(float)))];
        (long Offset, long Bytes) sharedPlace = layout.Add(shared?.Bytes ?? 0, 1);
        (long Offset, long Bytes) expertPlaces = layout.Add(checked(mixture.Experts * expert.Bytes), 1);
        Memory = loader.Allocate(layout.Bytes, spec);
        try
        {
            SelectionBias = ReadSelectionBias(source);
            Router = loader.Load(router, new StackedSource(source, routerTensors), Slice(routerPlace));
            PreNorm = LoadNorm(norms, [.. normPlaces.Select(Slice)], source, loader);
            Shared = shared is null ? null : loader.Load(shared, new ExpertSource(source, FfnTensor.SharedExpert), Slice(sharedPlace));
            Experts = LoadExperts(expert, source, Slice(expertPlaces), loader);
        }
        catch
        {
            loader.Uploader.Abandon();
            Memory.Dispose();
            throw;
        }
    }

    /// <summary>The mixture.</summary>
    public FfnSpec Spec { get; }

    /// <summary>The memory; everything below holds only while a reference to it is held.</summary>
    public DeviceMemory Memory { get; }

    /// <summary>The router in float32, whatever the engine's precision, with the shared network's gate for its last row.</summary>
    public DeviceNetwork Router { get; }

    /// <summary>The network that all tokens go through; null where there is none.</summary>
    public DeviceNetwork? Shared { get; }

    /// <summary>The experts.</summary>
    public ImmutableArray<DeviceNetwork> Experts { get; }

    /// <summary>The norm of a block.</summary>
    public DeviceNorm PreNorm { get; }

    /// <summary>What is added to scores for choosing, which is done on the host; empty where there is nothing.</summary>
    public float[] SelectionBias { get; }

    /// <summary>How many tokens each expert was sent.</summary>
    public ExpertTokens Tokens { get; }

    /// <summary>What the format lost of the experts and the shared network.</summary>
    public StorageError Error => Experts.Aggregate(Shared?.Weights.Error ?? default, static (sum, expert) => sum + expert.Weights.Error);

    /// <summary>Frees the memory and the plans.</summary>
    public void Dispose()
    {
        Router.Plans.Dispose();
        Shared?.Plans.Dispose();

        // Where experts have their plans in common, all but the first disposal find none.
        foreach (DeviceNetwork expert in Experts)
        {
            expert.Plans.Dispose();
        }

        Memory.Dispose();
    }

    private float[] ReadSelectionBias(IFfnWeightSource source)
    {
        if (Spec.Tensors.SingleOrDefault(static tensor => tensor.Role == FfnTensorRole.RouterSelectionBias) is not { } tensor)
        {
            return [];
        }

        float[] bias = new float[tensor.Columns];
        source.ReadRows(tensor, 0, bias);
        Routing.Router.RequireFinite(tensor, bias);
        return bias;
    }

    private DeviceNorm LoadNorm(FfnTensor[] tensors, DeviceRegion[] regions, IFfnWeightSource source, NetworkLoader loader)
    {
        for (int i = 0; i < tensors.Length; i++)
        {
            loader.Uploader.UploadVector(tensors[i], source, regions[i], asOperands: default, loader.Format);
        }

        return tensors.Length == 0 ? default : new DeviceNorm(Spec.PreNorm, regions[0], tensors.Length > 1 ? regions[1] : default);
    }

    // Where no bias is part of a product, what is planned for one expert is right for all.
    private static ImmutableArray<DeviceNetwork> LoadExperts(WeightPlaces places, IFfnWeightSource source, DeviceRegion memory, NetworkLoader loader)
    {
        bool arePlansCommon = !places.Spec.Stages.Any(static stage => stage.HasBias);
        var experts = new DeviceNetwork[memory.Bytes / places.Bytes];
        for (int i = 0; i < experts.Length; i++)
        {
            experts[i] = loader.Load(
                places, new ExpertSource(source, i), memory.Slice(i * places.Bytes, places.Bytes), arePlansCommon && i > 0 ? experts[0].Plans : null);
        }

        return [.. experts];
    }

    private DeviceRegion Slice((long Offset, long Bytes) place) => DeviceLayout.Part(Memory.Region, place);
}
