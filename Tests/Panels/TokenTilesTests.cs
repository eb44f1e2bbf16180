using System.Runtime.Intrinsics;
using NativeFfn.Backends.Cpu.Gemm;
using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Panels;

/// <summary>How tokens are grouped, for the most tokens that the kernels' tiles hold and all counts up to many.</summary>
public sealed class TokenTilesTests
{
    private const int MostTokens = 2000;

    private static readonly int[] Tiles = [1, 2, 4, 6, 8, 12];

    [Test]
    public void Groups_hold_every_token_once_in_tiles_that_exist([Values(4, 6, 12)] int most)
    {
        for (int tokens = 1; tokens <= MostTokens; tokens++)
        {
            var groups = new TokenTiles(tokens, most);
            int next = 0;
            int padded = 0;
            for (int group = 0; group < groups.Count; group++)
            {
                string what = $"{tokens} tokens, group {group}";
                Require(groups.FirstToken(group) == next, what);
                Require(groups.TokensOf(group) >= 1 && groups.TokensOf(group) <= groups.Size(group), what);
                Require(Tiles.Contains(groups.Size(group)) && groups.Size(group) <= most, what);
                Require(group == groups.Count - 1 || groups.TokensOf(group) == groups.Size(group), what + " is not the last and not full");
                next += groups.TokensOf(group);
                padded += groups.Size(group);
            }

            Require(groups.Tokens == tokens && next == tokens, $"{tokens} tokens in all");
            Require(groups.PaddedTokens == padded && padded - tokens < most, $"{tokens} tokens, {padded} padded");
        }
    }

    // Scratch memory is made for the largest chunk of a forward, and the last one may be smaller.
    [Test]
    public void More_tokens_never_take_less_room([Values(4, 6, 12)] int most)
    {
        for (int tokens = 2; tokens <= MostTokens; tokens++)
        {
            Require(new TokenTiles(tokens, most).PaddedTokens >= new TokenTiles(tokens - 1, most).PaddedTokens, $"{tokens} tokens");
        }
    }

    [Test]
    public void The_kernels_ask_for_tiles_that_exist(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits, [CpuPrecisions] FfnPrecision precision)
    {
        PanelKernel kernel = PanelKernels.Of(bits, precision);
        Assert.That(Tiles, Does.Contain(kernel.MostTokens));
        int width = bits != PanelKernels.OfLayer ? bits
            : Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;
        Assert.That((kernel.Encoding.Precision, kernel.Rows), Is.EqualTo(((FfnPrecision?)precision, 2 * width / 32)));
    }

    private static void Require(bool holds, string what)
    {
        if (!holds)
        {
            Assert.Fail(what);
        }
    }
}
