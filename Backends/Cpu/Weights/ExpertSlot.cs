namespace NativeFfn.Backends.Cpu.Weights;

/// <summary>An expert's place in an <see cref="ExpertStore"/>, looked at and changed under its lock.</summary>
internal sealed class ExpertSlot
{
    /// <summary>The expert; null where it is not in memory.</summary>
    public NetworkWeights? Weights { get; set; }

    /// <summary>Who uses it.</summary>
    public int Holders { get; set; }

    /// <summary>Forwards that will acquire it.</summary>
    public int Expected { get; set; }

    /// <summary>When it was used last, by the store's clock.</summary>
    public long LastUse { get; set; }

    /// <summary>Whether somebody reads it.</summary>
    public bool IsLoading { get; set; }

    /// <summary>Whether what it lost was counted.</summary>
    public bool WasCounted { get; set; }
}
