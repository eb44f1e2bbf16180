using System.Runtime.InteropServices;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>
/// Zero points of GPTQ and AWQ, <c>[groups, rows · bits / 32]</c> words that hold neighbouring rows of a group, the lowest bits first.
/// </summary>
/// <param name="piece">The stored tensor.</param>
/// <param name="offset">Where the zero points begin in a row, a byte each.</param>
/// <param name="groups">Groups of a row.</param>
/// <param name="bits">Bits of a zero point.</param>
/// <param name="added">Added to each, modulo 2^bits.</param>
/// <param name="isAwq">Whether the rows of a word are in AWQ's order.</param>
internal sealed class ZerosAlongRows(TensorPiece piece, int offset, int groups, int bits, int added, bool isAwq) : RowPart
{
    private const int WordBits = 32;

    /// <summary>Whether what is added carries from a zero point into the next one of its word; bits then divide a word.</summary>
    public bool AddsToWords { get; init; }

    /// <inheritdoc/>
    public override bool IsAcross => true;

    /// <inheritdoc/>
    public override void Read(long firstRow, int count, Span<byte> rows, int rowBytes)
    {
        long firstWord = firstRow * bits / WordBits;
        int words = (int)((((firstRow + count) * bits) + WordBits - 1) / WordBits - firstWord);
        int mask = (1 << bits) - 1;

        // A zero point of 3 bits may begin in the last byte.
        byte[] stored = new byte[(words * sizeof(uint)) + 1];
        for (int group = 0; group < groups; group++)
        {
            piece.Read(((group * piece.Shape[1]) + firstWord) * sizeof(uint), stored.AsSpan(0, words * sizeof(uint)));
            if (AddsToWords)
            {
                AddToWords(MemoryMarshal.Cast<byte, uint>(stored.AsSpan(0, words * sizeof(uint))));
            }

            for (int i = 0; i < count; i++)
            {
                long row = firstRow + i;
                row = isAwq ? row - (row % AwqOrder.Word) + AwqOrder.Nibble[(int)(row % AwqOrder.Word)] : row;
                int bit = (int)((row * bits) - (firstWord * WordBits));
                int zero = MemoryMarshal.Read<ushort>(stored.AsSpan(bit / 8)) >> (bit % 8);
                rows[(i * rowBytes) + offset + group] = (byte)(((zero & mask) + (AddsToWords ? 0 : added)) & mask);
            }
        }
    }

    private void AddToWords(Span<uint> stored)
    {
        uint all = 0;
        for (int bit = 0; bit < WordBits; bit += bits)
        {
            all |= (uint)added << bit;
        }

        foreach (ref uint word in stored)
        {
            word = unchecked(word + all);
        }
    }
}
