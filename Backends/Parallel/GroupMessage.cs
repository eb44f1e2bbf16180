using System.Text;

namespace NativeFfn.Backends.Parallel;

/// <summary>What the leading rank tells the others to do next.</summary>
internal enum GroupCommand
{
    /// <summary>To run a layer on rows that follow.</summary>
    Run,

    /// <summary>To stop following.</summary>
    Stop,
}

/// <summary>A message of the leading rank to all others.</summary>
/// <param name="Command">What to do.</param>
/// <param name="Layer">The layer's number.</param>
/// <param name="Tokens">Rows that follow.</param>
/// <param name="Chunks">Chunks that they go in; at least 1, and no more than tokens.</param>
internal readonly record struct GroupMessage(GroupCommand Command, int Layer = 0, int Tokens = 0, int Chunks = 0);

/// <summary>Holds what ranks have against what the leading one has, so that ranks that were started differently do not compute together.</summary>
internal static class GroupChecks
{
    // Bytes of a text that goes between ranks.
    private const int TextBytes = 512;

    /// <summary>Throws where this rank has another text than the leading one, and ends the group.</summary>
    public static void RequireAlike(ICollective collective, string what, string text)
    {
        byte[] own = Encode(text);
        byte[] leader = [.. own];
        collective.Broadcast(leader, root: 0);
        if (!own.AsSpan().SequenceEqual(leader))
        {
            string problem = $"rank {collective.Rank} has {what} '{text}', but rank 0 has '{Decode(leader)}'. Start all ranks alike.";
            collective.Abort(problem);
            throw new CollectiveFailedException(problem);
        }

        collective.Barrier();
    }

    /// <summary>Every rank's text, on every rank; a long one is cut off.</summary>
    public static string[] Gather(ICollective collective, string text)
    {
        string[] all = new string[collective.Ranks];
        for (int rank = 0; rank < all.Length; rank++)
        {
            byte[] bytes = Encode(text);
            collective.Broadcast(bytes, rank);
            all[rank] = Decode(bytes);
        }

        return all;
    }

    private static byte[] Encode(string text)
    {
        byte[] bytes = new byte[TextBytes];
        Encoding.UTF8.TryGetBytes(text.AsSpan(0, Math.Min(text.Length, TextBytes / 4)), bytes, out _);
        return bytes;
    }

    private static string Decode(byte[] bytes) => Encoding.UTF8.GetString(bytes).TrimEnd('\0');
}
