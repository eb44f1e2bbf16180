using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas;

/// <summary>CUDA's libraries from somewhere else than this machine's: the tests' device.</summary>
/// <param name="Libraries">The libraries.</param>
internal sealed record CudaSource(CudaLibraries Libraries);
