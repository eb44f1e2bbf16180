namespace NativeFfn.Backends;

/// <summary>What a backend is opened with.</summary>
/// <param name="Threads">Threads that one forward may use, the caller's included; positive.</param>
/// <param name="MklPath">The file or folder of <c>libmkl_rt</c> to use and no other, or null to look in the usual places.</param>
internal sealed record BackendOptions(int Threads, string? MklPath);
