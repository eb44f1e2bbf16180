namespace NativeFfn.Hosting;

/// <summary>Which of the requests that wait go first. Nothing that runs is interrupted.</summary>
public enum FfnPriority
{
    /// <summary>After all others: for what nobody waits for.</summary>
    Low = -1,

    /// <summary>The usual one.</summary>
    Normal = 0,

    /// <summary>Before all others. As long as such requests wait, no others are run but to fill their batches.</summary>
    High = 1,
}
