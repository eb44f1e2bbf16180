namespace NativeFfn.Tests.Software;

/// <summary>One recording of an event: a mark in a stream.</summary>
internal sealed class EventRecord(SoftwareStream stream)
{
    public SoftwareStream Stream { get; } = stream;

    public bool IsDone { get; set; }

    /// <summary>The stream's clock when the mark was passed.</summary>
    public double Time { get; set; }
}

/// <summary>An event; what it means is its latest recording.</summary>
internal sealed class SoftwareEvent(SoftwareContext context, bool hasTiming)
{
    public SoftwareContext Context { get; } = context;

    public bool HasTiming { get; } = hasTiming;

    /// <summary>Null before the first recording.</summary>
    public EventRecord? Latest { get; set; }

    /// <summary>The capture that recorded it last; it means nothing outside that.</summary>
    public Capture? Captured { get; set; }
}

/// <summary>Passes a mark.</summary>
internal sealed class RecordOperation(EventRecord record) : Operation(null)
{
    public override void Execute(SoftwareDevice device, SoftwareStream stream) => (record.IsDone, record.Time) = (true, stream.Clock);
}

/// <summary>Lets a stream wait for marks in others.</summary>
internal sealed class WaitOperation(params IReadOnlyList<EventRecord> records) : Operation(null)
{
    public override bool Waits(SoftwareDevice device) => !records.All(record => record.Stream.RunUntil(device, record));

    public override void Execute(SoftwareDevice device, SoftwareStream stream)
    {
        foreach (EventRecord record in records)
        {
            stream.Clock = Math.Max(stream.Clock, record.Time);
        }
    }
}
