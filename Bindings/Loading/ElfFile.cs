using System.Buffers.Binary;
using System.Runtime.InteropServices;
using NativeFfn.Bindings.Files;

namespace NativeFfn.Bindings.Loading;

/// <summary>Proves that a library's file is whole. The system's loader maps what the headers name, and a page past the file's end kills the process.</summary>
internal static class ElfFile
{
    // elf.h: sizes of Elf64_Ehdr, Elf64_Phdr and Elf64_Shdr.
    private const int HeaderSize = 64;
    private const int SegmentSize = 56;
    private const int SectionSize = 64;

    private const byte Class64 = 2;
    private const byte LittleEndian = 1;
    private const ushort SharedObject = 3;
    private const ushort MachineX64 = 62;
    private const ushort MachineArm64 = 183;
    private const uint SectionWithoutBytes = 8;

    /// <summary>Why a file is no whole library of this process's kind, or null.</summary>
    /// <param name="path">The file.</param>
    public static string? WhyBroken(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        if (!FileOwnership.IsReadable(path))
        {
            return $"{path}: not a file with contents";
        }

        try
        {
            using FileStream file = new(UnixFile.OpenToRead(path, waits: false), FileAccess.Read, bufferSize: 4096);
            return WhyBroken(file) is { } problem ? $"{path}: {problem}" : null;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return problem.Message;
        }
    }

    private static string? WhyBroken(FileStream file)
    {
        Span<byte> header = stackalloc byte[HeaderSize];
        if (file.ReadAtLeast(header, HeaderSize, throwOnEndOfStream: false) < HeaderSize)
        {
            return $"file too short ({file.Length} bytes)";
        }

        if (!header.StartsWith("\u007FELF"u8))
        {
            return "invalid ELF header";
        }

        ushort machine = BinaryPrimitives.ReadUInt16LittleEndian(header[18..]);
        ushort expected = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? MachineArm64 : MachineX64;
        if (header[4] != Class64 || header[5] != LittleEndian || machine != expected)
        {
            return $"a library for another processor (ELF machine {machine})";
        }

        if (BinaryPrimitives.ReadUInt16LittleEndian(header[16..]) != SharedObject)
        {
            return "an ELF file, but no shared library";
        }

        ulong segments = BinaryPrimitives.ReadUInt64LittleEndian(header[32..]);
        ulong sections = BinaryPrimitives.ReadUInt64LittleEndian(header[40..]);
        ushort segmentCount = BinaryPrimitives.ReadUInt16LittleEndian(header[56..]);
        ushort sectionCount = BinaryPrimitives.ReadUInt16LittleEndian(header[60..]);
        bool hasUsualSizes = BinaryPrimitives.ReadUInt16LittleEndian(header[54..]) == SegmentSize
            && (sectionCount == 0 || BinaryPrimitives.ReadUInt16LittleEndian(header[58..]) == SectionSize);
        if (segmentCount == 0 || !hasUsualSizes)
        {
            return "invalid ELF header";
        }

        ulong length = (ulong)file.Length;
        return WhyOutside(file, length, "segment", segments, segmentCount, SegmentSize)
            ?? WhyOutside(file, length, "section", sections, sectionCount, SectionSize);
    }

    // A size stands at 32 in both tables, an offset at 8 of a segment and at 24 of a section.
    private static string? WhyOutside(FileStream file, ulong length, string part, ulong table, int count, int size)
    {
        if (!IsWithin(table, (ulong)count * (ulong)size, length))
        {
            return $"truncated: its {part} table ends after the file's {length} bytes";
        }

        bool isSection = size == SectionSize;
        Span<byte> entry = stackalloc byte[SectionSize];
        entry = entry[..size];
        file.Position = (long)table;
        for (int i = 0; i < count; i++)
        {
            file.ReadExactly(entry);
            bool hasBytes = !isSection || (BinaryPrimitives.ReadUInt32LittleEndian(entry[4..]) is not (0 or SectionWithoutBytes));
            ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(entry[(isSection ? 24 : 8)..]);
            if (hasBytes && !IsWithin(offset, BinaryPrimitives.ReadUInt64LittleEndian(entry[32..]), length))
            {
                return $"truncated: its {part} {i} ends after the file's {length} bytes";
            }
        }

        return null;
    }

    private static bool IsWithin(ulong offset, ulong size, ulong length) => offset <= length && size <= length - offset;
}
