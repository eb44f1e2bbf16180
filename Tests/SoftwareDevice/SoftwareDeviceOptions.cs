namespace NativeFfn.Tests.Software;

/// <summary>What a software device is like.</summary>
internal sealed record SoftwareDeviceOptions
{
    /// <summary>Devices of the machine; 0: cuInit answers "no device".</summary>
    public int DeviceCount { get; init; } = 1;

    /// <summary>Whether cuInit succeeds where there are none, and only their count tells.</summary>
    public bool StartsWithoutDevices { get; init; }

    /// <summary>Compute capability.</summary>
    public int Major { get; init; } = 9;

    public int Minor { get; init; }

    /// <summary>Blocks of a grid in x at most.</summary>
    public int MaxGridX { get; init; } = int.MaxValue;

    public int Multiprocessors { get; init; } = 4;

    public int CacheBytes { get; init; } = 1 << 20;

    /// <summary>Memory of each device, in bytes.</summary>
    public long MemoryBytes { get; init; } = 8L << 30;

    public int DriverVersion { get; init; } = 12040;

    public long CuBlasLtVersion { get; init; } = 120405;

    /// <summary>No version that any real compiler has, so that no cache of compiled kernels mistakes this one's for real ones.</summary>
    public (int Major, int Minor) NvrtcVersion { get; init; } = (12, 990);

    public int[] Architectures { get; init; } = [75, 80, 86, 89, 90];

    /// <summary>Functions that the three libraries do not have.</summary>
    public IReadOnlyCollection<string> MissingFunctions { get; init; } = [];

    /// <summary>Products that cuBLASLt answers "not supported" to.</summary>
    public Func<MatmulLaunch, bool> Unsupported { get; init; } = static _ => false;

    /// <summary>Virtual milliseconds that a launch takes on its stream; what events measure.</summary>
    public Func<Launch, double> Milliseconds { get; init; } = static launch => launch.DefaultMilliseconds;

    /// <summary>The most algorithms that the heuristic has for one product.</summary>
    public int Algorithms { get; init; } = 5;
}
