namespace NativeFfn.Bindings.Cuda;

/// <summary>CUpointer_attribute of cuda.h: what is asked of memory that another owner made.</summary>
internal static class CudaPointerAttribute
{
    /// <summary>CU_POINTER_ATTRIBUTE_MEMORY_TYPE: CUmemorytype.</summary>
    public const int MemoryType = 2;

    /// <summary>CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: int.</summary>
    public const int DeviceOrdinal = 9;

    /// <summary>CU_POINTER_ATTRIBUTE_RANGE_START_ADDR: CUdeviceptr of the allocation.</summary>
    public const int RangeStart = 11;

    /// <summary>CU_POINTER_ATTRIBUTE_RANGE_SIZE: size_t of the allocation.</summary>
    public const int RangeSize = 12;

    /// <summary>CU_POINTER_ATTRIBUTE_MAPPED: int, 0 in a range that is reserved and has no memory behind it here.</summary>
    public const int Mapped = 13;

    /// <summary>CU_MEMORYTYPE_DEVICE, which managed memory answers too.</summary>
    public const int MemoryTypeDevice = 2;
}
