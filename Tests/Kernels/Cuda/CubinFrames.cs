using System.Buffers.Binary;
using System.Text;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>How many bytes of local memory each kernel of a cubin has: what did not fit into registers.</summary>
internal static class CubinFrames
{
    // ELF64: where its header and those of its sections have what is read here.
    private const int SectionsAt = 0x28;
    private const int SectionCountAt = 0x3C;
    private const int NamesAt = 0x3E;
    private const int SectionBytes = 64;
    private const int SectionOffsetAt = 24;
    private const int SectionSizeAt = 32;
    private const int SymbolBytes = 24;

    // Entries of .nv.info: format, attribute, size; a symbol and a value follow where the format is "sized".
    private const int EntryBytes = 4;
    private const byte Sized = 4;
    private const byte FrameSize = 0x11;

    public static Dictionary<string, int> Of(ReadOnlySpan<byte> cubin)
    {
        ReadOnlySpan<byte> info = Section(cubin, ".nv.info");
        ReadOnlySpan<byte> symbols = Section(cubin, ".symtab");
        ReadOnlySpan<byte> names = Section(cubin, ".strtab");
        var frames = new Dictionary<string, int>();
        while (!info.IsEmpty)
        {
            int size = info[0] == Sized ? BinaryPrimitives.ReadUInt16LittleEndian(info[2..]) : 0;
            if (info[0] == Sized && info[1] == FrameSize)
            {
                int symbol = BinaryPrimitives.ReadInt32LittleEndian(info[EntryBytes..]);
                int name = BinaryPrimitives.ReadInt32LittleEndian(symbols[(symbol * SymbolBytes)..]);
                frames.Add(Text(names[name..]), BinaryPrimitives.ReadInt32LittleEndian(info[(EntryBytes + 4)..]));
            }

            info = info[(EntryBytes + size)..];
        }

        return frames;
    }

    private static ReadOnlySpan<byte> Section(ReadOnlySpan<byte> cubin, string name)
    {
        int count = BinaryPrimitives.ReadUInt16LittleEndian(cubin[SectionCountAt..]);
        ReadOnlySpan<byte> names = Contents(cubin, BinaryPrimitives.ReadUInt16LittleEndian(cubin[NamesAt..]));
        for (int i = 0; i < count; i++)
        {
            if (Text(names[BinaryPrimitives.ReadInt32LittleEndian(Header(cubin, i))..]) == name)
            {
                return Contents(cubin, i);
            }
        }

        throw new InvalidOperationException($"The cubin has no section {name}.");
    }

    private static ReadOnlySpan<byte> Header(ReadOnlySpan<byte> cubin, int section) =>
        cubin.Slice((int)BinaryPrimitives.ReadInt64LittleEndian(cubin[SectionsAt..]) + (section * SectionBytes), SectionBytes);

    private static ReadOnlySpan<byte> Contents(ReadOnlySpan<byte> cubin, int section)
    {
        ReadOnlySpan<byte> header = Header(cubin, section);
        return cubin.Slice(
            (int)BinaryPrimitives.ReadInt64LittleEndian(header[SectionOffsetAt..]),
            (int)BinaryPrimitives.ReadInt64LittleEndian(header[SectionSizeAt..]));
    }

    private static string Text(ReadOnlySpan<byte> bytes) => Encoding.ASCII.GetString(bytes[..bytes.IndexOf((byte)0)]);
}
