namespace NativeFfn.Backends.Cpu.Forward;

/// <summary>The slices of a step over the groups of a wave. Reused.</summary>
internal sealed class StepSlices
{
    private Slicing[] _slicings = new Slicing[1];
    private int[] _ends = new int[1];
    private int _groups;

    /// <summary>Slices in all.</summary>
    public int Count => _groups == 0 ? 0 : _ends[_groups - 1];

    /// <summary>Forgets all slices.</summary>
    public void Clear() => _groups = 0;

    /// <summary>Adds the next group's slices.</summary>
    public void Add(Slicing slicing)
    {
        if (_groups == _slicings.Length)
        {
            Array.Resize(ref _slicings, 2 * _groups);
            Array.Resize(ref _ends, 2 * _groups);
        }

        _slicings[_groups] = slicing;
        _ends[_groups] = Count + slicing.Count;
        _groups++;
    }

    /// <summary>The group of a slice, and the region of it.</summary>
    public int Find(int slice, out Region region)
    {
        int found = _ends.AsSpan(0, _groups).BinarySearch(slice + 1);

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
