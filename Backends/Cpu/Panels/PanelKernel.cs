using System.Runtime.Intrinsics;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Panels;

/// <summary>Multiplies panels of one format with the widest vectors of the processor.</summary>
internal abstract unsafe class PanelKernel(PanelFormat format, int mostTokens)
{
    /// <summary>Up to so many tokens a tile waits for memory whatever it does, and memory is asked best by the processor's own prefetcher.</summary>
    public const int UnaidedTokens = 4;

    /// <summary>How panels lie in memory.</summary>
    public PanelFormat Format { get; } = format;

    /// <summary>Multiplies what <see cref="Unpack"/> gives where its rows lie without a gap: a panel of float32.</summary>
    public virtual PanelKernel Widened => this;

    /// <summary>The kernel of a precision on this processor.</summary>
    public static PanelKernel Of(FfnPrecision precision) =>
        Vector512.IsHardwareAccelerated ? Of<Simd512, Vector512<float>>(precision)
        : Vector256.IsHardwareAccelerated ? Of<Simd256, Vector256<float>>(precision)
        : Of<Simd128, Vector128<float>>(precision);

    /// <summary>Tokens of a group at most.</summary>
    public int MostTokens { get; } = mostTokens;

    /// <summary>How tokens are grouped for the kernel.</summary>
    public TokenGroups Group(int tokens) => new(tokens, MostTokens);

    /// <summary>
    /// Columns that are multiplied at a time, in groups: 512 columns of a panel and of a tile's tokens, 64 + 24 KiB as float32 at the most,
    /// stay in the second-level cache while they are in use. Sums of 512 products, added up, also round less than one long sum.
    /// </summary>
    public const int BlockGroups = 16;

    /// <summary>tile[token, row] = Σ panel[row, column] · tokens[column, token], or += that sum, over some columns and some groups of tokens.</summary>
    /// <param name="weights">The panel, from the first of the columns on.</param>
    /// <param name="columnGroups">Groups of columns.</param>
    /// <param name="tokens">The tokens.</param>
    /// <param name="firstColumn">The first column.</param>
    /// <param name="firstGroup">The first group of tokens.</param>
    /// <param name="endGroup">The group of tokens after the last.</param>
    /// <param name="tile">The sums, <see cref="PanelFormat.Rows"/> a token, from the first group's first token on.</param>
    /// <param name="accumulate">Whether the tile is added to.</param>
    /// <param name="next">What will be read next; only asked of memory, never read.</param>
    /// <param name="nextBytes">Bytes of it.</param>
    public abstract void Multiply(
        byte* weights, int columnGroups, TokenPanels tokens, long firstColumn, int firstGroup, int endGroup, float* tile, bool accumulate, byte* next, int nextBytes);

    /// <summary>Widens a panel to float32: destination[column · stride + row].</summary>
    /// <param name="panel">The panel.</param>
    /// <param name="columnGroups">Its groups of columns.</param>
    /// <param name="destination">Receives all of them.</param>
    /// <param name="stride">Elements from one column to the next; at least <see cref="PanelFormat.Rows"/>.</param>
    public abstract void Unpack(byte* panel, int columnGroups, float* destination, long stride);

    /// <summary>The kernel of a precision with vectors that the processor must have.</summary>
    public static PanelKernel Of<TSimd, TVector>(FfnPrecision precision)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => precision switch
        {
            FfnPrecision.Float32 => new PanelKernel<Float32Element<TSimd, TVector>, TSimd, TVector>(precision),
            FfnPrecision.BFloat16 => new PanelKernel<BFloat16Element<TSimd, TVector>, TSimd, TVector>(precision),
            FfnPrecision.Float16 => new PanelKernel<Float16Element<TSimd, TVector>, TSimd, TVector>(precision),
            FfnPrecision.Int8 => new PanelKernel<Int8Element<TSimd, TVector>, TSimd, TVector>(precision),
            _ => throw new ArgumentOutOfRangeException(nameof(precision), precision, "No such precision."),
        };
}

/// <summary>The kernel of an element and a vector.</summary>
internal sealed unsafe class PanelKernel<TElement, TSimd, TVector>(FfnPrecision precision)
    : PanelKernel(new PanelFormat(precision, 2 * TSimd.Count), TSimd.TileTokens)
    where TElement : struct, IPanelElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    private readonly PanelKernel? _widened =
        precision == FfnPrecision.Float32 ? null : new PanelKernel<Float32Element<TSimd, TVector>, TSimd, TVector>(FfnPrecision.Float32);

    private const int PairsOfGroup = PanelFormat.GroupColumns / 2;
    private const int LineBytes = 64;

    public override PanelKernel Widened => _widened ?? this;

    public override void Multiply(
        byte* weights, int columnGroups, TokenPanels tokens, long firstColumn, int firstGroup, int endGroup, float* tile, bool accumulate, byte* next, int nextBytes)
    {
        TokenGroups groups = tokens.Groups;

        // What comes next is asked for in equal shares while the groups of tokens pass.
        int steps = columnGroups * PairsOfGroup;
        int lines = groups.Tokens > UnaidedTokens ? LinesOfStep(nextBytes, steps * (endGroup - firstGroup)) : 0;
        byte* end = next + nextBytes;
        for (int group = firstGroup; group < endGroup; group++)
        {
            float* sums = tile + ((groups.FirstToken(group) - groups.FirstToken(firstGroup)) * Format.Rows);
            Multiply(
                groups.Size(group), columnGroups, weights, tokens.At(group, firstColumn), next, next < end ? lines : 0, sums, accumulate);
            next += steps * lines * LineBytes;
        }
    }

    public override void Unpack(byte* panel, int columnGroups, float* destination, long stride)
    {
        for (int group = 0; group < columnGroups; group++)
        {
            TElement.Scales(panel, out TVector scale0, out TVector scale1);
            panel += TElement.ScaleBytes;
            for (int pair = 0; pair < PairsOfGroup; pair++)
            {
                TElement.Even(panel, scale0, scale1, out TVector w0, out TVector w1);
                TSimd.Store(w0, destination);
                TSimd.Store(w1, destination + TSimd.Count);
                TElement.Odd(panel, scale0, scale1, out w0, out w1);
                TSimd.Store(w0, destination + stride);
                TSimd.Store(w1, destination + stride + TSimd.Count);
                panel += TElement.PairBytes;
                destination += 2 * stride;
            }
        }
    }

    // One, two or four, as the tiles know them.
    private static int LinesOfStep(int bytes, int steps)
    {
        int lines = (bytes + (steps * LineBytes) - 1) / (steps * LineBytes);
        return lines > 2 ? 4 : lines;
    }

    private static void Multiply(
        int size, int count, byte* panel, float* tokens, byte* next, int lines, float* tile, bool accumulate)
    {
        switch (size)
        {
            case 1:
                PanelTiles<TElement, TSimd, TVector>.One(count, panel, tokens, next, lines, tile, accumulate);
                break;
            case 2:
                PanelTiles<TElement, TSimd, TVector>.Two(count, panel, tokens, next, lines, tile, accumulate);
                break;
            case 4:
                PanelTiles<TElement, TSimd, TVector>.Four(count, panel, tokens, next, lines, tile, accumulate);
                break;
            case 6:
                PanelTiles<TElement, TSimd, TVector>.Six(count, panel, tokens, next, lines, tile, accumulate);
                break;
            case 8:
                PanelTiles<TElement, TSimd, TVector>.Eight(count, panel, tokens, next, lines, tile, accumulate);
                break;
            default:
                PanelTiles<TElement, TSimd, TVector>.Twelve(count, panel, tokens, next, lines, tile, accumulate);
                break;
        }
    }
}
