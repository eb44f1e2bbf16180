using System.Globalization;
using NativeFfn.Backends.CuBlas.Gemm;
using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Streams;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas;

/// <summary>Runs layers on an NVIDIA GPU: cuBLASLt for the projections, this library's kernels for what lies between them.</summary>
internal sealed class CuBlasBackend : IFfnBackend
{
    // A forward is planned in the first run, recorded in the second and played from the third on. What ran before memory grew for another
    // layer is planned again in the second.
    private const int WarmupRuns = 3;

    private readonly CudaLibraries _libraries;
    private readonly CudaContext _context;
    private readonly DeviceFormat _format;
    private readonly DeviceLifetime _device;
    private readonly AlgorithmFile _algorithms;
    private readonly DecodeCrossover _decode;
    private readonly bool _autotunes;
    private readonly int _maxResidentExperts;

    private CuBlasBackend(CudaLibraries libraries, CudaContext context, DeviceFormat format, FfnEngineOptions options)
    {
        _libraries = libraries;
        _context = context;
        _format = format;
        _maxResidentExperts = options.MaxResidentExperts;
        CudaDevice device = context.Device;
        string versions = string.Create(
            CultureInfo.InvariantCulture,
            $"cuBLASLt {libraries.CuBlasLt.Version / 10000}.{libraries.CuBlasLt.Version / 100 % 100}.{libraries.CuBlasLt.Version % 100}, driver {libraries.Driver.Version / 1000}.{libraries.Driver.Version % 1000 / 10}");
        Description = new BackendDescription(
            BackendKind.CuBlas, $"{versions} on {device.Name} (sm_{device.Architecture}, device {device.Ordinal})", libraries.CuBlasLt.Path, Threads: 1)
        {
            WarmupRuns = WarmupRuns,
            Device = device.Ordinal,
        };
        Fault = new DeviceFault(context);
        _device = new DeviceLifetime(context, libraries.CuBlasLt, LoadKernels(context, libraries, format));
        Slots = new StreamSlotPool(_device, Fault);
        string key = $"{device.Name}, {versions}";
        _algorithms = new AlgorithmFile(key);
        _autotunes = options.Autotune;
        _decode = new DecodeCrossover(options.DecodeTokens, $"{key}, {Names<FfnPrecision>.Of(format.Precision)}");
    }

    /// <inheritdoc/>
    public BackendDescription Description { get; }

    /// <summary>What the device failed of.</summary>
    public DeviceFault Fault { get; }

    /// <summary>What forwards run on.</summary>
    public StreamSlotPool Slots { get; }

    /// <summary>Opens a device.</summary>
    /// <exception cref="BackendUnavailableException">There is none, or it cannot be used; the message says why.</exception>
    /// <exception cref="NativeLibraryException">A library is missing; the message says where it was looked for.</exception>
    public static IFfnBackend Open(FfnEngineOptions options)
    {
        CudaContext? context = null;
        try
        {
            CudaLibraries libraries = (options.Cuda as CudaSource)?.Load() ?? CudaLibraries.Load(options.CudaPath);
            int device = DeviceOf(options, libraries.Driver.DeviceCount);
            context = options.CudaContext == 0
                ? CudaContext.RetainPrimary(libraries.Driver, libraries.Driver.Device(device))
                : CudaContext.Adopt(libraries.Driver, options.CudaContext);
            DeviceFormat format = DeviceFormat.Of(options.Precision);
            if ((KernelProgram.WhyUnsupported(libraries.Nvrtc, context.Device) ?? format.WhyUnsupported(context.Device)) is { } reason)
            {
                throw Unavailable(reason);
            }

            var backend = new CuBlasBackend(libraries, context, format, options);
            context = null;
            return backend;
        }
        catch (Exception failure) when (DeviceFault.IsNative(failure))
        {
            throw Unavailable(failure.Message, failure);
        }
        finally
        {
            context?.Dispose();
        }
    }

    /// <inheritdoc/>
    public Exception? Failure => Fault.First;

    /// <inheritdoc/>
    public string? WhyUnsupported(FfnSpec spec) =>
        spec.Mixture is { } mixture && _maxResidentExperts > 0 && _maxResidentExperts < mixture.Experts
            ? $"MaxResidentExperts is {_maxResidentExperts}, but a GPU keeps all {mixture.Experts} experts in its memory. Set it to 0, or use mkl or managed."
            : DeviceFormula.WhyNot(spec);

    /// <inheritdoc/>
    public ILoadedLayer Prepare(FfnSpec spec, IFfnWeightSource weights)
    {
        Fault.ThrowIfAny();
        try
        {
            using var uploader = new WeightUploader(_context, Slots.Memory);
            var loader = new LayerLoader(_format, Slots.Memory, uploader, _libraries.CuBlasLt, _algorithms, _device);
            DeviceLayer layer = loader.Load(spec, weights);
            try
            {
                Calibrate(layer);
                return new CuBlasLayer(this, layer);
            }
            catch
            {
                layer.Dispose();
                throw;
            }
        }
        catch (Exception failure) when (DeviceFault.IsNative(failure))
        {
            throw Fault.Translate(failure);
        }
    }

    /// <inheritdoc/>
    public IDeviceStream OpenStream(nint? stream)
    {
        Fault.ThrowIfAny();
        try
        {
            DeviceLifetime device = _device.Held();
            try
            {
                return new CuBlasStream(this, device, Slots.Make(stream));
            }
            catch
            {
                device.DangerousRelease();
                throw;
            }
        }
        catch (Exception failure) when (DeviceFault.IsNative(failure))
        {
            throw Fault.Translate(failure);
        }
    }

    /// <inheritdoc/>
    public void RunChain(ReadOnlySpan<ILoadedLayer> layers, in FfnRows rows) => CuBlasLayer.Run(this, layers, rows);

    /// <summary>Times cuBLASLt's algorithms for a layer's GEMMs of so many tokens, where the options ask for it.</summary>
    public void Tune(DeviceLayer layer, int tokens)
    {
        if (_autotunes)
        {
            OnSlot(layer, (slot, layer) => layer.Tune(slot, tokens));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Slots.Dispose();
        _device.Dispose();
    }

    // Ranks of one machine take its GPUs in turn, but for a launcher that shows each its own alone.
    private static int DeviceOf(FfnEngineOptions options, int devices)
    {
        int offset = devices == 1 ? 0 : options.LocalRank;
        return options.Device + offset < devices ? options.Device + offset
            : throw Unavailable(offset == 0
                ? $"there is no device {options.Device}; this process sees {devices}, numbered from 0."
                : $"there is no device for rank {offset} of this machine, which sees {devices}, beginning with device {options.Device}. "
                    + "Start a rank for each GPU.");
    }

    private static DeviceKernels LoadKernels(CudaContext context, CudaLibraries libraries, DeviceFormat format)
    {
        CudaModule module = KernelProgram.Load(context, libraries.Nvrtc, format);
        try
        {
            return new DeviceKernels(module, format);
        }
        catch
        {
            module.Dispose();
            throw;
        }
    }

    private static BackendUnavailableException Unavailable(string reason, Exception? cause = null) => new(BackendKind.CuBlas, reason, cause);

    private void Calibrate(DeviceLayer layer)
    {
        if (layer.Networks[0].CanDecode)
        {
            OnSlot(layer, (slot, layer) => layer.Calibrate(slot, _decode));
        }
    }

    private void OnSlot(DeviceLayer layer, Action<StreamSlot, DeviceLayer> work)
    {
        StreamSlot slot = Slots.Take();
        try
        {
            using CudaContext.Scope scope = _context.Enter();
            work(slot, layer);
        }
        catch
        {
            StreamSlotPool.Abandon(slot);
            throw;
        }

        Slots.Return(slot);
    }
}
