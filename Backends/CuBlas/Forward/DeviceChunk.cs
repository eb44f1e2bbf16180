using NativeFfn.Backends.CuBlas.Device;
using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Lanes;
using NativeFfn.Backends.CuBlas.Layers;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Tokens that are run at a time: whose they are, where they lie and what is computed.</summary>
internal readonly ref struct DeviceChunk
{
    public required DeviceLane Lane { get; init; }

    public required DeviceNetwork Network { get; init; }

    public required DeviceScratch Scratch { get; init; }

    /// <summary>Rows; positive.</summary>
    public required int Tokens { get; init; }

    public required DeviceRows Input { get; init; }

    /// <summary>What is added to the last projection's result; none in <see cref="FfnMode.Ffn"/>, the input in a block.</summary>
    public required DeviceRows Residual { get; init; }

    /// <summary>May be the input or the residual.</summary>
    public required DeviceRows Output { get; init; }

    /// <summary>Whether norms are computed.</summary>
    public required bool IsBlock { get; init; }

    /// <summary>Takes the times of the steps, where that is asked for.</summary>
    public StepClock? Clock { get; init; }

    /// <summary>Whether cuBLASLt's algorithms are timed for every product that is met, and the fastest kept.</summary>
    public bool Tunes { get; init; }

    public DeviceWeights Weights => Network.Weights;

    public DeviceFormat Format => Network.Weights.Format;

    public DeviceKernels Kernels => Network.Kernels;

    public CudaStream Stream => Lane.Stream;

    /// <summary>The norm before the first stage, as a kernel takes it.</summary>
    public NormArguments PreNorm => Norm(Weights.PreNorm);

    /// <summary>The norm on the last stage's result.</summary>
    public NormArguments BranchNorm => Norm(Weights.BranchNorm);

    /// <summary>The norm after the residual was added.</summary>
    public NormArguments PostNorm => Norm(Weights.PostNorm);

    /// <summary>Whether something follows the residual's addition, or comes between it and the last projection.</summary>
    public bool HasLaterNorms => IsBlock && (Weights.Spec.BranchNorm is not null || Weights.Spec.PostNorm is not null);

    /// <summary>Tokens whose rows lie in a lane's memory, as those from the host do; for measuring.</summary>
    public static DeviceChunk OnScratch(DeviceLane lane, DeviceNetwork network, in DeviceScratch scratch, int tokens, FfnMode mode, bool tunes)
    {
        var input = new DeviceRows(scratch.Input.Address, network.Weights.Spec.InputWidth);
        return new DeviceChunk
        {
            Lane = lane,
            Network = network,
            Scratch = scratch,
            Tokens = tokens,
            Input = input,
            Residual = mode == FfnMode.Ffn ? default : input,
            Output = new DeviceRows(scratch.Output.Address, network.Weights.Spec.OutputWidth),
            IsBlock = mode == FfnMode.Block,
            Tunes = tunes,
        };
    }

    private NormArguments Norm(DeviceNorm norm) => IsBlock ? norm.Arguments : default;
}
