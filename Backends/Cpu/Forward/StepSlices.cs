namespace NativeFfn.Backends.Cpu.Forward;

/// <summary>The slices of a step over the groups of a wave. Reused.</summary>
internal sealed class StepSlices
{
    private readonly List<Slicing> _slicings = [];
    private readonly List<int> _ends = [];

    /// <summary>Slices in all.</summary>
    public int Count => _ends.Count == 0 ? 0 : _ends[^1];

    /// <summary>Forgets all slices.</summary>
    public void Clear()
    {
        _slicings.Clear();
        _ends.Clear();
    }

    /// <summary>Adds the next group's slices.</summary>
    public void Add(Slicing slicing)
    {
        _slicings.Add(slicing);
        _ends.Add(Count + slicing.Count);
    }

    /// <summary>The group of a slice, and the region of it.</summary>
    public int Find(int slice, out Region region)
    {
        int found = _ends.BinarySearch(slice + 1);

        // Groups without slices end where the one before them does: the first that ends behind the slice has it.
        int group = found < 0 ? ~found : found;
        while (group > 0 && _ends[group - 1] > slice)
        {
            group--;
        }

        region = _slicings[group][slice - (group == 0 ? 0 : _ends[group - 1])];
        return group;
    }
}
