using System.Runtime.InteropServices;
using NativeFfn.Backends.Cpu.Gemm;
using NativeFfn.Backends.Cpu.Weights;

namespace NativeFfn.Backends.Cpu.Forward;

/// <summary>The groups of a chunk, in waves that run together: each wave's rows stay in cache, and its experts in memory. Reused.</summary>
internal sealed class GroupPlan
{
    // Floats of a wave's rows at most, for each thread and at least: what stays in second-level caches, and in a last-level one that is shared.
    private const long ElementsOfThread = 256 * 1024;
    private const long LeastElements = 2 * 1024 * 1024;

    private readonly List<TokenGroup> _groups = [];
    private ExpertStore? _experts;

    // Groups from the start on that begin with an expert in memory.
    private int _resident;
    private int _first;
    private int _end;

    /// <summary>The groups of the wave that runs.</summary>
    public ReadOnlySpan<TokenGroup> Wave => CollectionsMarshal.AsSpan(_groups)[_first.._end];

    /// <summary>Floats of the wave's rows.</summary>
    public long Elements { get; private set; }

    /// <summary>Whether some group of the wave finishes its hidden rows as a whole.</summary>
    public bool FinishesHiddenRows
    {
        get
        {
            foreach (ref readonly TokenGroup group in Wave)
            {
                if (group.Network.FinishesHiddenRows)
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>Forgets all groups, and has nobody read ahead for those that have not run.</summary>
    public void Clear()
    {
        foreach (ref readonly TokenGroup group in CollectionsMarshal.AsSpan(_groups)[_end..])
        {
            if (group.IsExpert)
            {
                _experts!.Forget(group.Expert);
            }
        }

        _groups.Clear();
        (_resident, _first, _end, _experts) = (0, 0, 0, null);
    }

    /// <summary>Adds a network with the chunk's tokens, in pieces where they are many.</summary>
    /// <param name="network">The network.</param>
    /// <param name="tokens">Tokens.</param>
    /// <param name="firstRow">Its first row among results.</param>
    /// <param name="gemm">The GEMM; null for the network's choice for so many tokens.</param>
    public void Add(NetworkWeights network, int tokens, int firstRow = 0, IGemm? gemm = null) => _groups.Add(new TokenGroup
    {
        Network = network, Expert = FfnTensor.NoExpert, Tokens = tokens, FirstRoute = -1, FirstRow = firstRow, Gemm = gemm!,
    });

    /// <summary>Adds an expert with its tokens, those in memory before others, which are read while they run.</summary>
    /// <param name="experts">Where waves acquire it.</param>
    /// <param name="expert">The expert.</param>
    /// <param name="tokens">Tokens.</param>
    /// <param name="firstRoute">The first of its sorted routes, and its first row among results.</param>
    public void Add(ExpertStore experts, int expert, int tokens, int firstRoute)
    {
        _experts = experts;
        _groups.Insert(
            experts.Expect(expert) ? _resident++ : _groups.Count,
            new TokenGroup { Expert = expert, Tokens = tokens, FirstRoute = firstRoute, FirstRow = firstRoute });
    }

    /// <summary>Goes on to the next wave, whose experts are held until <see cref="ReleaseWave"/>; none are where this fails.</summary>
    /// <param name="threads">Threads that share it.</param>
    /// <returns>False where all groups have run.</returns>
    public bool TryAdvance(int threads)
    {
        _first = _end;
        Elements = 0;
        long most = Math.Max(LeastElements, threads * ElementsOfThread);
        try
        {
            while (_end < _groups.Count && TryAdd(most))
            {
            }
        }
        catch
        {
            ReleaseWave();
            throw;
        }

        return _end > _first;
    }

    /// <summary>Lets the wave's experts go.</summary>
    public void ReleaseWave()
    {
        foreach (ref readonly TokenGroup group in Wave)
        {
            Release(group);
        }
    }

    // Adds the next group to the wave, unless it belongs to a later one.
    private bool TryAdd(long most)
    {
        ref TokenGroup group = ref CollectionsMarshal.AsSpan(_groups)[_end];
        bool isFirst = _end == _first;
        if (!isFirst && IsPieceOf(group, _groups[_end - 1]))
        {
            return false;
        }

        if (group.IsExpert)
        {
            NetworkWeights? network = _experts!.Acquire(group.Expert, waits: isFirst);
            if (network is null)
            {
                return false;
            }

            group.Network = network;
        }

        // From here on the wave holds it.
        _end++;
        Cut(_end - 1);
        group = ref CollectionsMarshal.AsSpan(_groups)[_end - 1];
        long elements = Elements;
        group.Gemm.Place(ref group, ref elements);
        if (!isFirst && elements > most)
        {
            _end--;
            Expect(group);
            Release(group);
            return false;
        }

        Elements = elements;
        return true;
    }

    // Two pieces of one network read its weights one after the other in any case, and apart they need less room.
    private static bool IsPieceOf(in TokenGroup group, in TokenGroup before) =>
        group.Expert == before.Expert && (group.IsExpert || group.Network == before.Network);

    // It will be acquired again.
    private void Expect(in TokenGroup group)
    {
        if (group.IsExpert)
        {
            _experts!.Expect(group.Expert);
        }
    }

    private void Release(in TokenGroup group)
    {
        if (group.IsExpert)
        {
            _experts!.Release(group.Expert);
        }
    }

    // Leaves a piece that runs at a time, and puts the rest behind it. The GEMM is that of all tokens together.
    private void Cut(int index)
    {
        ref TokenGroup group = ref CollectionsMarshal.AsSpan(_groups)[index];
        group.Gemm ??= group.Network.Gemms.For(group.Tokens);
        int piece = ChunkSize.OfNetwork(group.Network.Stages, group.Tokens, group.Gemm.MostTokens);
        if (piece == group.Tokens)
        {
            return;
        }

        TokenGroup rest = group;
        rest.Tokens -= piece;
        rest.FirstToken += rest.IsContiguous ? piece : 0;
        rest.FirstRoute += rest.IsContiguous ? 0 : piece;
        rest.FirstRow += piece;
        group.Tokens = piece;
        Expect(rest);
        _groups.Insert(index + 1, rest);
    }
}
