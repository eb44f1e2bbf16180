namespace NativeFfn.Tests.Software;

/// <summary>Opaque handles of everything that the libraries give out. No handle is given out twice in a process.</summary>
internal sealed class HandleTable
{
    private const long FirstHandle = 0x5D00_0000_0000;
    private const long Step = 16;

    private static long s_last = FirstHandle;

    private readonly Dictionary<nint, object> _live = [];
    private readonly Dictionary<nint, string> _names = [];
    private readonly Dictionary<Type, int> _counts = [];
    private readonly long _before = Interlocked.Read(ref s_last);

    public IEnumerable<object> Live => _live.Values;

    public nint Add(object thing)
    {
        nint handle = (nint)Interlocked.Add(ref s_last, Step);
        _live.Add(handle, thing);
        int number = _counts[thing.GetType()] = _counts.GetValueOrDefault(thing.GetType()) + 1;
        _names.Add(handle, $"{Name(thing.GetType())}{number}");
        return handle;
    }

    /// <summary>The thing behind a handle.</summary>
    /// <param name="handle">As the program gives it.</param>
    /// <param name="status">What the library answers where it is none.</param>
    /// <param name="deinitialized">What it answers to a handle of a device that ended, as a late finalizer may give it.</param>
    public T Get<T>(nint handle, int status = CudaResult.InvalidHandle, int deinitialized = CudaResult.Deinitialized)
        where T : class
    {
        if (_live.TryGetValue(handle, out object? thing))
        {
            return thing as T ?? throw new NativeFailure(
                status, $"A {Name(thing.GetType())} was given in the place of a {Name(typeof(T))}.");
        }

        if (handle > FirstHandle && handle <= _before)
        {
            throw new NativeFailure(deinitialized);
        }

        string what = NameOf(handle) is { } name ? $"a destroyed {name}" : $"0x{handle:x}, which is no handle,";
        throw new NativeFailure(status, $"Use of {what} in the place of a {Name(typeof(T))}.");
    }

    /// <summary>Kind and number of what has the handle or had it: Stream2. Null of what is no handle.</summary>
    public string? NameOf(nint handle) => _names.GetValueOrDefault(handle);

    public void Remove(nint handle) => _live.Remove(handle);

    private static string Name(Type type) => type.Name.Replace("Software", "", StringComparison.Ordinal);
}
