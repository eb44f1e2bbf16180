using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.Loading;

/// <summary>Leads this assembly's imports to the libraries that a loading gate let in.</summary>
/// <remarks>A process holds a native library once, so this is process-wide state by nature: written once for each library, never changed.</remarks>
internal static class ImportResolver
{
    private static readonly ConcurrentDictionary<string, nint> Admitted = new();
    private static int s_registered;

    /// <summary>Lets a library in under its import name, for good.</summary>
    /// <remarks>
    /// The gate calls one function through the imports before anybody else can. Compiled ahead of time, threads that meet at a library's
    /// first import each ask for it, and the runtime frees the handle of whoever comes late: the very one that is in use.
    /// </remarks>
    public static void Admit(string importName, nint handle)
    {
        if (!Admitted.TryAdd(importName, handle))
        {
            throw new InvalidOperationException($"'{importName}' was let in before.");
        }

        if (Interlocked.Exchange(ref s_registered, 1) == 0)
        {
            NativeLibrary.SetDllImportResolver(typeof(ImportResolver).Assembly, Resolve);
        }
    }

    // 0 leaves a name (libc) to the runtime's own search. A gated library is never looked for that way: without the gate it does not exist.
    private static nint Resolve(string importName, Assembly assembly, DllImportSearchPath? searchPath) =>
        Admitted.GetValueOrDefault(importName);
}
