namespace NativeFfn.Checkpoints;

/// <summary>A checkpoint, or a file of one, is not what it must be. The message names the file, the thing in it and the remedy.</summary>
public sealed class CheckpointException : IOException
{
    /// <summary>Describes the problem.</summary>
    /// <param name="message">One sentence or two, on one line.</param>
    /// <param name="inner">The cause, where there is one.</param>
    public CheckpointException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
