namespace NativeFfn;

/// <summary>The ranks that a layer is cut over cannot work together any more: one of them failed, or did not answer in time.</summary>
/// <remarks>Every engine of the group is lost; a job is ended and started anew as a whole.</remarks>
public sealed class CollectiveFailedException : InvalidOperationException
{
    internal CollectiveFailedException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
