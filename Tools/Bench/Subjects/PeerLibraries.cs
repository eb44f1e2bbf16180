using System.Reflection;
using System.Runtime.InteropServices;

namespace NativeFfn.Bench.Subjects;

/// <summary>Libraries of peers by the names that their functions are declared with, loaded from a file before the first call.</summary>
internal static class PeerLibraries
{
    private static readonly Dictionary<string, nint> Loaded = [];

    static PeerLibraries() => NativeLibrary.SetDllImportResolver(
        Assembly.GetExecutingAssembly(), static (name, _, _) => Loaded.GetValueOrDefault(name));

    /// <summary>Loads a library, once.</summary>
    /// <param name="name">The name that functions are declared with.</param>
    /// <param name="file">The file.</param>
    /// <exception cref="DllNotFoundException">It cannot be loaded; the message has the loader's own words.</exception>
    public static void Load(string name, string file)
    {
        if (!Loaded.ContainsKey(name))
        {
            Loaded[name] = NativeLibrary.Load(file);
        }
    }
}
