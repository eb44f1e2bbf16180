using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas;

/// <summary>CUDA's libraries from somewhere else than this machine's: the tests' device.</summary>
/// <param name="Load">Starts and resolves them, for each engine anew.</param>
internal sealed record CudaSource(Func<CudaLibraries> Load) : DeviceSource;
