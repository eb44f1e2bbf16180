using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Nvrtc;

/// <summary>nvrtc.h: the compiler's functions, all of them there since CUDA 12.0. Raw: nothing is proven here.</summary>
/// <remarks>A program is nint, size_t is nuint and nvrtcResult is int.</remarks>
internal sealed unsafe class NvrtcFunctions(NativeSymbols symbols)
{
    private const string Remedy = "Install NVRTC of CUDA 12.0 or newer.";

    public readonly delegate* unmanaged<int*, int*, int> nvrtcVersion =
        (delegate* unmanaged<int*, int*, int>)symbols.Find(nameof(nvrtcVersion), Remedy);
    public readonly delegate* unmanaged<int*, int> nvrtcGetNumSupportedArchs =
        (delegate* unmanaged<int*, int>)symbols.Find(nameof(nvrtcGetNumSupportedArchs), Remedy);
    public readonly delegate* unmanaged<int*, int> nvrtcGetSupportedArchs =
        (delegate* unmanaged<int*, int>)symbols.Find(nameof(nvrtcGetSupportedArchs), Remedy);
    public readonly delegate* unmanaged<int, byte*> nvrtcGetErrorString =
        (delegate* unmanaged<int, byte*>)symbols.Find(nameof(nvrtcGetErrorString), Remedy);

    // (program, source, name, header count, headers, header names)
    public readonly delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int> nvrtcCreateProgram =
        (delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int>)symbols.Find(nameof(nvrtcCreateProgram), Remedy);
    public readonly delegate* unmanaged<nint*, int> nvrtcDestroyProgram =
        (delegate* unmanaged<nint*, int>)symbols.Find(nameof(nvrtcDestroyProgram), Remedy);
    public readonly delegate* unmanaged<nint, int, byte**, int> nvrtcCompileProgram =
        (delegate* unmanaged<nint, int, byte**, int>)symbols.Find(nameof(nvrtcCompileProgram), Remedy);
    public readonly delegate* unmanaged<nint, nuint*, int> nvrtcGetProgramLogSize =
        (delegate* unmanaged<nint, nuint*, int>)symbols.Find(nameof(nvrtcGetProgramLogSize), Remedy);
    public readonly delegate* unmanaged<nint, byte*, int> nvrtcGetProgramLog =
        (delegate* unmanaged<nint, byte*, int>)symbols.Find(nameof(nvrtcGetProgramLog), Remedy);
    public readonly delegate* unmanaged<nint, nuint*, int> nvrtcGetCUBINSize =
        (delegate* unmanaged<nint, nuint*, int>)symbols.Find(nameof(nvrtcGetCUBINSize), Remedy);
    public readonly delegate* unmanaged<nint, byte*, int> nvrtcGetCUBIN =
        (delegate* unmanaged<nint, byte*, int>)symbols.Find(nameof(nvrtcGetCUBIN), Remedy);
}
