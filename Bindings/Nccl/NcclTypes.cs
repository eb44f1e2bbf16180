namespace NativeFfn.Bindings.Nccl;

/// <summary>ncclUniqueId: what ranks find each other by. One makes it, all get it.</summary>
internal unsafe struct NcclUniqueId
{
    /// <summary>NCCL_UNIQUE_ID_BYTES.</summary>
    public const int Bytes = 128;

    public fixed byte Internal[Bytes];
}

/// <summary>ncclConfig_t as NCCL 2.14 has it; later versions take their defaults for what they added.</summary>
internal struct NcclConfig
{
    // NCCL_API_MAGIC and NCCL_VERSION(2, 14, 0) of nccl.h.
    private const uint ApiMagic = 0xcafebeef;
    private const uint ConfigVersion = 21400;

    public nuint Size;
    public uint Magic;
    public uint Version;

    /// <summary>0: calls return <see cref="NcclStatus.InProgress"/> where they would wait for other ranks.</summary>
    public int Blocking;

    /// <summary>The configuration of a communicator whose calls do not wait.</summary>
    public static unsafe NcclConfig NonBlocking => new() { Size = (nuint)sizeof(NcclConfig), Magic = ApiMagic, Version = ConfigVersion };
}

/// <summary>ncclDataType_t: the types that are used.</summary>
internal enum NcclDataType
{
    Float32 = 7,
}

/// <summary>ncclRedOp_t: the operations that are used.</summary>
internal enum NcclReduction
{
    Sum = 0,
}

/// <summary>ncclResult_t: the values that are told apart.</summary>
internal static class NcclStatus
{
    /// <summary>ncclSuccess.</summary>
    public const int Success = 0;

    /// <summary>ncclInProgress: of a call that does not wait; it is asked after.</summary>
    public const int InProgress = 7;
}

/// <summary>A function of NCCL failed.</summary>
/// <param name="function">The C function.</param>
/// <param name="status">ncclResult_t.</param>
/// <param name="text">The library's words for the status.</param>
/// <param name="last">What it said last; empty where that is nothing.</param>
internal sealed class NcclException(string function, int status, string text, string last)
    : Exception($"{function} failed: {text} ({status}){(last.Length == 0 ? "" : $": {last}")}.")
{
    /// <summary>The C function.</summary>
    public string Function { get; } = function;

    /// <summary>ncclResult_t.</summary>
    public int Status { get; } = status;
}
