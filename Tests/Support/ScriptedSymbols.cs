using NativeFfn.Bindings.Loading;

namespace NativeFfn.Tests.Support;

/// <summary>A native library of C# functions: those that a test gives, and for the rest one that answers success and does nothing.</summary>
internal sealed unsafe class ScriptedSymbols(Dictionary<string, nint> functions, string? missing = null) : NativeSymbols
{
    private readonly List<string> _asked = [];

    /// <summary>Names that were looked up, in order.</summary>
    public IReadOnlyList<string> Asked => _asked;

    /// <inheritdoc/>
    public override string Path => "scripted library";

    /// <inheritdoc/>
    public override bool TryFind(string name, out nint address)
    {
        _asked.Add(name);

        // Whoever calls a C function clears the arguments away, so one function without any serves for all.
        address = name == missing ? 0 : functions.GetValueOrDefault(name, (nint)(delegate* unmanaged<int>)&Succeed);
        return address != 0;
    }

    [System.Runtime.InteropServices.UnmanagedCallersOnly]
    private static int Succeed() => 0;
}
