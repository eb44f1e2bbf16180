namespace NativeFfn.Bindings.Cuda;

/// <summary>CUdevice_attribute of cuda.h: the attributes that are read.</summary>
internal enum CudaDeviceAttribute
{
    MaxThreadsPerBlock = 1,
    MaxGridDimX = 5,
    MaxGridDimY = 6,
    MaxSharedMemoryPerBlock = 8,
    MultiprocessorCount = 16,
    L2CacheSize = 38,
    MaxThreadsPerMultiprocessor = 39,
    ComputeCapabilityMajor = 75,
    ComputeCapabilityMinor = 76,
}

/// <summary>A GPU as the driver describes it.</summary>
internal sealed record CudaDevice
{
    /// <summary>Its place among the devices that this process sees, from 0.</summary>
    public required int Ordinal { get; init; }

    /// <summary>CUdevice.</summary>
    public required int Handle { get; init; }

    /// <summary>The product's name, such as "NVIDIA H100 80GB HBM3".</summary>
    public required string Name { get; init; }

    /// <summary>What stays the same for this piece of hardware, as nvidia-smi writes it: GPU-8-4-4-4-12.</summary>
    public required string Uuid { get; init; }

    /// <summary>Compute capability: 9.0 of Hopper is 9 here.</summary>
    public required int Major { get; init; }

    /// <summary>Compute capability, after the point.</summary>
    public required int Minor { get; init; }

    /// <summary>Streaming multiprocessors.</summary>
    public required int Multiprocessors { get; init; }

    /// <summary>Level-2 cache, in bytes.</summary>
    public required int CacheBytes { get; init; }

    /// <summary>Global memory, in bytes.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Threads of a block at most.</summary>
    public required int MaxBlockThreads { get; init; }

    /// <summary>Threads that a multiprocessor holds at most.</summary>
    public required int MaxMultiprocessorThreads { get; init; }

    /// <summary>Blocks of a grid in x at most.</summary>
    public required int MaxGridX { get; init; }

    /// <summary>Blocks of a grid in y at most.</summary>
    public required int MaxGridY { get; init; }

    /// <summary>Shared memory of a block at most, unless a kernel opts in to more; in bytes.</summary>
    public required int MaxSharedBytes { get; init; }

    /// <summary>The number in NVRTC's <c>sm_90</c>.</summary>
    public int Architecture => (Major * 10) + Minor;
}
