namespace NativeFfn.Bindings.Loading;

/// <summary>The functions of one native library, by name. A library that is loaded is one source of them; tests have another.</summary>
internal abstract class NativeSymbols
{
    /// <summary>The library's file, or what else the functions come from.</summary>
    public abstract string Path { get; }

    /// <summary>Finds a function that may be absent.</summary>
    /// <param name="name">The name that the library exports.</param>
    /// <param name="address">The function; 0 where it is absent.</param>
    public abstract bool TryFind(string name, out nint address);

    /// <summary>Finds a function that must be there.</summary>
    /// <param name="name">The name that the library exports.</param>
    /// <param name="remedy">What to do where it is absent: which version has it.</param>
    /// <exception cref="NativeLibraryException">It is absent.</exception>
    public nint Find(string name, string remedy) => TryFind(name, out nint address) && address != 0
        ? address
        : throw new NativeLibraryException($"{Path} has no function {name}.", [], remedy);
}
