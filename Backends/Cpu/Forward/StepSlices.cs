using System.Runtime.InteropServices;
using NativeFfn.Backends.Cpu.Team;

namespace NativeFfn.Backends.Cpu.Forward;

/// <summary>The slices of a step over the groups of a wave, those of one node after those of another. Reused.</summary>
/// <param name="team">Who runs them.</param>
internal sealed class StepSlices(WorkerTeam team)
{
    private readonly List<Slicing> _slicings = [];

    // Where the slices of each node's part of each group end, node after node.
    private readonly List<int> _ends = [];
    private readonly int[] _nodeEnds = new int[team.Nodes.Length];

    /// <summary>Forgets all slices.</summary>
    public void Clear()
    {
        _slicings.Clear();
        _ends.Clear();
    }

    /// <summary>Adds the next group's slices.</summary>
    public void Add(Slicing slicing) => _slicings.Add(slicing);

    /// <summary>Deals the slices of all groups to nodes, which numbers them, and has them run.</summary>
    /// <param name="job">Runs a slice.</param>
    /// <param name="helpers">Threads that there are processors for, beside the caller's.</param>
    public void Run(ISlicedJob job, int helpers)
    {
        int count = 0;
        for (int node = 0; node < _nodeEnds.Length; node++)
        {
            foreach (ref readonly Slicing slicing in CollectionsMarshal.AsSpan(_slicings))
            {
                count += slicing.CountOf(team.Nodes[node]);
                _ends.Add(count);
            }

            _nodeEnds[node] = count;
        }

        team.Run(job, _nodeEnds, helpers);
    }

    /// <summary>The group of a slice, and the region of it.</summary>
    public int Find(int slice, out Region region)
    {
        int found = _ends.BinarySearch(slice + 1);

        // Parts without slices end where the one before them does: the first that ends behind the slice has it.
        int part = found < 0 ? ~found : found;
        while (part > 0 && _ends[part - 1] > slice)
        {
            part--;
        }

        (int node, int group) = Math.DivRem(part, _slicings.Count);
        region = _slicings[group].Of(team.Nodes[node], slice - (part == 0 ? 0 : _ends[part - 1]));
        return group;
    }
}
