using System.Collections.Immutable;
using NativeFfn.Backends.CuBlas.Gemm;
using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Streams;
using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Routing;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Weights;

/// <summary>Brings layers to the device, all weights of one in one piece of memory.</summary>
/// <param name="format">How matrices are kept.</param>
/// <param name="memory">Gives device memory.</param>
/// <param name="uploader">Carries weights over.</param>
/// <param name="library">cuBLASLt.</param>
/// <param name="algorithms">Algorithms that were measured before.</param>
/// <param name="device">What layers stand on.</param>
internal sealed class LayerLoader(
    DeviceFormat format,
    DeviceAllocator memory,
    WeightUploader uploader,
    CuBlasLtLibrary library,
    AlgorithmFile algorithms,
    DeviceLifetime device)
{
    private static readonly (FfnTensorRole Weight, FfnTensorRole Bias)[] NormRoles =
    [
        (FfnTensorRole.PreNormWeight, FfnTensorRole.PreNormBias),
        (FfnTensorRole.BranchNormWeight, FfnTensorRole.BranchNormBias),
        (FfnTensorRole.PostNormWeight, FfnTensorRole.PostNormBias),
    ];

    /// <summary>Reads every tensor of a layer once, in pieces, and uploads it.</summary>
    /// <exception cref="InsufficientMemoryException">The device has no room for it.</exception>
    /// <exception cref="NotSupportedException">A weight cannot be held in the format.</exception>
    public DeviceLayer Load(FfnSpec spec, IFfnWeightSource source)
    {
        var layout = default(DeviceLayout);
        var network = new WeightLayout(spec.Mixture is null ? spec : spec.ExpertSpec(0)!, format);
        int count = spec.Mixture?.Experts ?? 1;
        MemoryPart networks = layout.Add(checked(count * network.Bytes), 1);
        var norms = NormRoles.SelectMany(static roles => (FfnTensorRole[])[roles.Weight, roles.Bias])
            .Select(role => spec.Find(new TensorKey(role))).OfType<FfnTensor>()
            .ToDictionary(static tensor => tensor.Role, tensor => layout.Add(DeviceFormat.Padded(tensor.Columns), sizeof(float)));
        WeightLayout? router = spec.Mixture is null ? null : new WeightLayout(RouterSpec(spec), DeviceFormat.Of(FfnPrecision.Float32));
        MemoryPart routerPart = layout.Add(router?.Bytes ?? 0, 1);
        FfnSpec? sharedSpec = spec.Mixture is null ? null : spec.ExpertSpec(FfnTensor.SharedExpert);
        WeightLayout? shared = sharedSpec is null ? null : new WeightLayout(sharedSpec, format);
        MemoryPart sharedPart = layout.Add(shared?.Bytes ?? 0, 1);

        DeviceMemory weights = memory.Allocate(layout.Bytes, $"The weights of {spec}");
        try
        {
            // Padding is zeros: what a kernel reads beyond a row's end must not count.
            uploader.Clear(weights.Region);
            foreach ((FfnTensorRole role, MemoryPart part) in norms)
            {
                uploader.UploadVector(spec.Find(new TensorKey(role))!, source, part.In(weights.Region), asOperands: default, format);
            }

            var encoder = new RowEncoder(format.Encoding);
            DeviceMixture? mixture = spec.Mixture is null ? null : new DeviceMixture(
                spec.Mixture,
                Load(router!, spec, FfnTensor.NoExpert, source, new RowEncoder(WeightEncodings.Float32), routerPart.In(weights.Region)),
                shared is null ? null : Load(shared, spec, FfnTensor.SharedExpert, source, encoder, sharedPart.In(weights.Region)),
                ReadVector(FfnTensorRole.RouterBias, spec, source),
                ReadSelectionBias(spec, source));
            ImmutableArray<DeviceNetwork> loaded = LoadNetworks(network, count, spec, source, encoder, networks.In(weights.Region));
            return new DeviceLayer(spec, weights, device)
            {
                Networks = loaded,
                Mixture = mixture,
                Norms = new DeviceNorms { Pre = Norm(spec.PreNorm, 0), Branch = Norm(spec.BranchNorm, 1), Post = Norm(spec.PostNorm, 2) },
                QuantizationError = encoder.Error.Relative,
                Encoding = format.Encoding,
            };
        }
        catch
        {
            uploader.Abandon();
            weights.Dispose();
            throw;
        }

        NormArguments Norm(NormSpec? norm, int index) => norm is null ? default : NormArguments.Of(
            norm,
            norm.HasWeight ? norms[NormRoles[index].Weight].In(weights.Region).Address : 0,
            norm.HasBias ? norms[NormRoles[index].Bias].In(weights.Region).Address : 0);
    }

    // The shared network's gate multiplies as one more expert's row would.
    private static FfnSpec RouterSpec(FfnSpec spec)
    {
        int rows = spec.Mixture!.Experts + (spec.Mixture.HasSharedGate ? 1 : 0);
        return FfnSpec.Stack(new FfnStage(FfnKind.Linear, spec.InputWidth, rows, HasBias: false));
    }

    private static float[] ReadSelectionBias(FfnSpec spec, IFfnWeightSource source)
    {
        float[] bias = ReadVector(FfnTensorRole.RouterSelectionBias, spec, source);
        if (bias.Length > 0)
        {
            Router.RequireFinite(spec.Find(new TensorKey(FfnTensorRole.RouterSelectionBias))!, bias);
        }

        return bias;
    }

    private static float[] ReadVector(FfnTensorRole role, FfnSpec spec, IFfnWeightSource source)
    {
        if (spec.Find(new TensorKey(role)) is not { } tensor)
        {
            return [];
        }

        float[] values = new float[tensor.Columns];
        source.ReadRows(tensor, 0, values);
        return values;
    }

    // Where no bias is part of a GEMM, what is planned for one expert is right for all.
    private ImmutableArray<DeviceNetwork> LoadNetworks(
        WeightLayout layout, int count, FfnSpec spec, IFfnWeightSource source, RowEncoder encoder, DeviceRegion region)
    {
        bool arePlansCommon = !layout.Spec.Stages.Any(static stage => stage.HasBias);
        var networks = new DeviceNetwork[count];
        for (int i = 0; i < count; i++)
        {
            int expert = spec.Mixture is null ? FfnTensor.NoExpert : i;
            GemmPlans? plans = arePlansCommon && i > 0 ? networks[0].Plans : null;
            networks[i] = Load(layout, spec, expert, source, encoder, region.Slice(i * layout.Bytes, layout.Bytes), plans);
        }

        return [.. networks];
    }

    private DeviceNetwork Load(
        WeightLayout layout, FfnSpec spec, int expert, IFfnWeightSource source, RowEncoder encoder, DeviceRegion region, GemmPlans? plans = null)
    {
        ImmutableArray<DeviceStage> stages = layout.In(region);
        for (int i = 0; i < stages.Length; i++)
        {
            DeviceStage stage = stages[i];
            Upload(FfnTensorRole.Weight, 0);
            Upload(FfnTensorRole.UpWeight, stage.PaddedWidth);
            Upload(FfnTensorRole.RouterWeight, 0);
            Upload(FfnTensorRole.SharedGateWeight, stage.Shape.Width - 1);
            UploadBias(FfnTensorRole.Bias, 0, stage.OperandBias);
            UploadBias(FfnTensorRole.UpBias, stage.PaddedWidth, default);

            void Upload(FfnTensorRole role, int firstRow)
            {
                if (spec.Find(new TensorKey(role, i, expert)) is { } tensor)
                {
                    uploader.UploadMatrix(tensor, source, encoder, layout.Format, stage, firstRow);
                }
            }

            void UploadBias(FfnTensorRole role, int firstRow, DeviceRegion asOperands)
            {
                if (spec.Find(new TensorKey(role, i, expert)) is { } tensor)
                {
                    DeviceRegion target = stage.Bias.Slice((long)firstRow * sizeof(float), (long)stage.PaddedWidth * sizeof(float));
                    uploader.UploadVector(tensor, source, target, asOperands, layout.Format);
                }
            }
        }

        return new DeviceNetwork(layout.Spec, layout.Format, stages, plans ?? new GemmPlans(layout.Format, stages, library, algorithms));
    }
}
