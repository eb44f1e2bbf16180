namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>Some groups of columns of a panel, as tiles read them.</summary>
/// <param name="weights">The columns.</param>
/// <param name="groups">Groups of columns.</param>
internal readonly unsafe struct PanelColumns(byte* weights, int groups)
{
    private const int PairsOfGroup = PanelFormat.GroupColumns / 2;

    /// <summary>The columns, two at a time, as 16-bit weights are stored.</summary>
    public byte* Weights => weights;

    /// <summary>Groups of columns.</summary>
    public int Groups => groups;

    /// <summary>Of codes the scales and offsets, unit after unit; see <see cref="Codes.PanelScales{TSimd, TVector}"/>.</summary>
    public float* Scales { get; init; }

    /// <summary>What assembled tiles share; null where they share nothing.</summary>
    public TileRoom* Room { get; init; }

    /// <summary>Of codes the numbers that they stand for, where that is a table of 16.</summary>
    public float* Book { get; init; }

    /// <summary>Pairs of columns of a unit, which share a scale; without scales there is one unit.</summary>
    public int PairsOfUnit { get; init; } = groups * PairsOfGroup;

    /// <summary>Units.</summary>
    public int Units => groups * PairsOfGroup / PairsOfUnit;
}

/// <summary>What assembled tiles share while they multiply the same columns.</summary>
internal unsafe struct TileRoom
{
    /// <summary>Tokens of the tiles that registers of AMX are configured for; 0 for none.</summary>
    public int Configured;

    /// <summary>Room for sums of integers of AMX.</summary>
    public byte* Sums;

    /// <summary>The columns unpacked, as the larger tiles multiply them; null where all multiply them as they lie.</summary>
    public byte* Unpacked;
}
