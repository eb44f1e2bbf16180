using NativeFfn.Backends.Parallel;
using NativeFfn.Tests.OnDevice;
using NativeFfn.Tests.Software;

namespace NativeFfn.Tests.Ranks;

/// <summary>The base of tests of ranks with a GPU each: threads of this process, and NCCL between the software device's GPUs.</summary>
public abstract class NcclTeam : DeviceTests
{
    // Both ways of the backend are met: its decode kernels up to this many tokens, cuBLASLt's products beyond.
    private const int DecodeTokens = 4;

    /// <summary>A machine with so many GPUs.</summary>
    private protected SoftwareDevice StartGpus(int count) => Start(Ada with { DeviceCount = count });

    /// <summary>The options of a rank's engine, on a GPU of its own.</summary>
    private protected FfnEngineOptions OptionsOf(ICollective rank, FfnPrecision precision = FfnPrecision.Float32) =>
        Options(precision, DecodeTokens) with
        {
            Parallel = "auto",
            Device = rank.Rank,
            Ranks = new GivenCollective(rank) { Nccl = Device.AsNccl() },
        };

    /// <summary>Runs engines on machines of so many GPUs: rank 0 does the work with its layers, the others follow.</summary>
    private protected void RunEngines(
        int ranks, (FfnSpec Spec, IFfnWeightSource Weights)[] layers, Action<FfnLayer[]> lead,
        FfnPrecision precision = FfnPrecision.Float32) =>
        RankTeam.Run(ranks, rank => RankTeam.RunEngine(OptionsOf(rank, precision), layers, lead));
}
