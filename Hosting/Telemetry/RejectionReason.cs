namespace NativeFfn.Hosting.Telemetry;

/// <summary>Why a request was not run, as metrics spell it in <c>error.type</c>.</summary>
internal static class RejectionReason
{
    public const string QueueFull = "queue_full";
    public const string Deadline = "deadline";
    public const string Cancelled = "cancelled";
    public const string Unavailable = "unavailable";

    /// <summary>Every reason.</summary>
    public static readonly string[] All = [QueueFull, Deadline, Cancelled, Unavailable];

    /// <summary>The reason that an exception stands for.</summary>
    public static string Of(Exception exception) => exception switch
    {
        FfnQueueFullException => QueueFull,
        FfnDeadlineException => Deadline,
        OperationCanceledException => Cancelled,
        _ => Unavailable,
    };
}
