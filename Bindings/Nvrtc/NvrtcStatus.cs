namespace NativeFfn.Bindings.Nvrtc;

/// <summary>nvrtcResult of nvrtc.h: the values that are told apart.</summary>
internal static class NvrtcStatus
{
    /// <summary>NVRTC_SUCCESS.</summary>
    public const int Success = 0;

    /// <summary>NVRTC_ERROR_INVALID_OPTION.</summary>
    public const int InvalidOption = 5;

    /// <summary>NVRTC_ERROR_COMPILATION: the source is at fault.</summary>
    public const int Compilation = 6;

    /// <summary>NVRTC_ERROR_BUILTIN_OPERATION_FAILURE: the builtins library beside NVRTC is missing or another version's.</summary>
    public const int BuiltinOperationFailure = 7;
}
