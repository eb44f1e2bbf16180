using System.Buffers;
using System.IO.Pipelines;

namespace NativeFfn.AspNetCore.Http;

/// <summary>The bytes of a body as they come; <see cref="PipeReader.CancelPendingRead"/> ends a read.</summary>
/// <remarks>ASP.NET's own stream leaves its reader in the middle of a read that was ended, so that the connection is lost.</remarks>
/// <param name="source">What they come from.</param>
internal sealed class ReceivedBody(PipeReader source) : BodyStream
{
    /// <exception cref="OperationCanceledException">The read was ended.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            ReadResult result = await source.ReadAsync(cancellationToken);
            ReadOnlySequence<byte> taken = result.Buffer.Slice(0, result.IsCanceled ? 0 : Math.Min(buffer.Length, result.Buffer.Length));
            taken.CopyTo(buffer.Span);
            source.AdvanceTo(taken.End);
            if (result.IsCanceled)
            {
                throw new OperationCanceledException("The read was ended.");
            }

            if (!taken.IsEmpty || result.IsCompleted || buffer.IsEmpty)
            {
                return (int)taken.Length;
            }
        }
    }
}
