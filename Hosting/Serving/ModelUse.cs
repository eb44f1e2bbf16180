using System.Diagnostics;

namespace NativeFfn.Hosting.Serving;

/// <summary>When a model that may be unloaded was last asked for. Safe for use by several threads at once.</summary>
internal sealed class ModelUse
{
    private long _last;

    /// <summary>The time of the last request, in ticks of the system's stopwatch; 0 before the first.</summary>
    public long Last => Volatile.Read(ref _last);

    /// <summary>It is asked for now.</summary>
    public void Touch() => Volatile.Write(ref _last, Stopwatch.GetTimestamp());
}
