namespace NativeFfn.Tests.Software;

/// <summary>A context: the primary one of a device, or one that a test made in the place of another library.</summary>
internal sealed class SoftwareContext
{
    public SoftwareContext(SoftwareDevice device, int ordinal, bool isForeign)
    {
        Ordinal = ordinal;
        IsForeign = isForeign;
        Handle = device.Handles.Add(this);
        DefaultStream = new SoftwareStream(this, 0, isBlocking: true, isForeign: true);
        Streams.Add(DefaultStream);
    }

    public nint Handle { get; }

    public int Ordinal { get; }

    public bool IsForeign { get; }

    /// <summary>cuDevicePrimaryCtxRetain without a release yet.</summary>
    public int Retained { get; set; }

    public bool IsDestroyed { get; set; }

    /// <summary>The status that every call in this context answers since an error that took the context away; or 0.</summary>
    public int Lost { get; set; }

    /// <summary>The legacy default stream: what handle 0 means.</summary>
    public SoftwareStream DefaultStream { get; }

    /// <summary>Every stream that may still have work, destroyed ones among them.</summary>
    public List<SoftwareStream> Streams { get; } = [];
}
