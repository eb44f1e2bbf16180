using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.Loading;

/// <summary>A native library that the process holds. It is kept for good: CUDA's libraries cannot be unloaded safely.</summary>
/// <param name="path">The file, or the name that the system's loader found it by.</param>
/// <param name="handle">What the loader gave.</param>
internal sealed class LoadedLibrary(string path, nint handle) : NativeSymbols
{
    /// <inheritdoc/>
    public override string Path => path;

    /// <inheritdoc/>
    public override bool TryFind(string name, out nint address) => NativeLibrary.TryGetExport(handle, name, out address);
}
