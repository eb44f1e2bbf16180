namespace NativeFfn.Tests.Software;

/// <summary>
/// One piece of work, made when it was queued and done when something waits for it. It may be done many times, as a graph's node.
/// </summary>
internal abstract class Operation(Launch? launch)
{
    /// <summary>What is logged; null for the marks that order streams.</summary>
    public Launch? Launch { get; } = launch;

    /// <summary>The cuBLASLt handle that may serve one stream at a time.</summary>
    public virtual object? Exclusive => null;

    /// <summary>Whether it cannot be done yet, as it needs what others do first; asked when all before it is done.</summary>
    public virtual bool Waits(SoftwareDevice device) => false;

    public abstract void Execute(SoftwareDevice device, SoftwareStream stream);

    /// <summary>Virtual milliseconds on the stream.</summary>
    public virtual double Milliseconds(SoftwareDevice device) => Launch is null ? 0 : device.Milliseconds(Launch);

    /// <summary>Whether the work reads or writes this pinned memory.</summary>
    public virtual bool Uses(Allocation pinned) => false;

    public override string ToString() => Launch is null ? GetType().Name : $"{Launch.Name} on stream 0x{Launch.Stream:x}";
}
