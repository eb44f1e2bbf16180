using System.Reflection;
using System.Runtime.CompilerServices;

namespace NativeFfn.Tests.Software;

/// <summary>The calls of the libraries in their order, as text: <c>cuEventRecord(Event1, Stream1)</c>.</summary>
/// <remarks>
/// A handle is its kind and number, device memory its address, and a place on the host <c>*</c>, but for factors and attributes, which are
/// what lies there. Pushes and pops of contexts are left out.
/// </remarks>
internal sealed unsafe class CallLog(HandleTable handles)
{
    // Below it lie no addresses, but the handles of default streams and what was never valid.
    private const int LowestAddress = 1 << 16;

    private static readonly Dictionary<string, string[]> Parameters =
        new[] { typeof(DriverExports), typeof(CuBlasLtExports), typeof(NvrtcExports), typeof(NcclExports) }
            .SelectMany(static exports => exports.GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly))
            .ToDictionary(static method => method.Name, static method => method.GetParameters().Select(static one => one.Name!).ToArray());

    private readonly List<string> _calls = [];

    /// <summary>The calls so far.</summary>
    public string[] Calls => [.. _calls];

    /// <summary>Writes a call down before it is done.</summary>
    /// <param name="function">The C function.</param>
    /// <param name="arguments">Its argument, or a tuple of them in the order of the parameters.</param>
    public void Add(string function, object? arguments)
    {
        if (function is "cuCtxPushCurrent_v2" or "cuCtxPopCurrent_v2")
        {
            return;
        }

        string[] names = Parameters[function];
        object?[] values = arguments is ITuple tuple ? [.. Enumerable.Range(0, tuple.Length).Select(i => tuple[i])] : [arguments];
        IEnumerable<string> texts = names.Select((name, i) => (name, values[i]) switch
        {
            ("alpha" or "beta", nint factor) => FormattableString.Invariant($"{*(float*)factor}"),
            ("value", nint value) when i + 1 < names.Length && values[i + 1] is nuint size =>
                Convert.ToHexString(new ReadOnlySpan<byte>((void*)value, (int)size)),
            (_, nint address) => Text(address),
            _ => FormattableString.Invariant($"{values[i]}"),
        });
        _calls.Add($"{function}({string.Join(", ", texts)})");
    }

    private string Text(nint address) =>
        handles.NameOf(address) ?? (address == 0 ? "0" : address < LowestAddress || AddressSpace.Contains(address) ? $"0x{address:x}" : "*");
}
