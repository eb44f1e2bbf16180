using System.Reflection;
using System.Runtime.InteropServices;
using NativeFfn.Bindings.Loading;

namespace NativeFfn.Tests.Software;

/// <summary>The functions of one library of the software device, by name.</summary>
internal sealed class SoftwareSymbols : NativeSymbols
{
    private readonly Dictionary<string, nint> _addresses;

    public SoftwareSymbols(string path, Type exports, IReadOnlyCollection<string> missing)
    {
        Path = path;
        _addresses = exports.GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly)
            .Where(method => method.IsDefined(typeof(UnmanagedCallersOnlyAttribute)) && !missing.Contains(method.Name))
            .ToDictionary(static method => method.Name, static method => method.MethodHandle.GetFunctionPointer());
    }

    public override string Path { get; }

    public override bool TryFind(string name, out nint address) => _addresses.TryGetValue(name, out address);
}
