using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.Loading;

/// <summary>What a Unix system says of a file: its kind, who owns it and who may write it.</summary>
/// <param name="Mode">The file's kind and permissions.</param>
/// <param name="User">The owner's number.</param>
/// <param name="Group">The group's number.</param>
/// <param name="Links">Names that the file has.</param>
/// <param name="Identity">The file's number on its device, and the device's number.</param>
internal readonly unsafe partial record struct FileOwnership(int Mode, uint User, uint Group, uint Links, (ulong File, ulong Device) Identity)
{
    // linux/stat.h.
    private const int KindMask = 0xF000;
    private const int RegularFile = 0x8000;
    private const int CharacterDevice = 0x2000;
    private const int PermissionMask = 0xFFF;
    private const int CharacterSticky = 0x200;
    private const int GroupMayWrite = 0x10;
    private const int OthersMayWrite = 0x2;

    // linux/stat.h and fcntl.h of statx, whose structure is the same on every processor.
    private const int AtCurrentFolder = -100;
    private const uint BasicStatistics = 0x7FF;
    private const int StatxSize = 256;
    private const int LinksOffset = 16;
    private const int UserOffset = 20;
    private const int GroupOffset = 24;
    private const int ModeOffset = 28;
    private const int FileOffset = 32;
    private const int DeviceOffset = 136;

    /// <summary>Whether it is a file with contents, and no pipe, device or socket, whose opening may wait or act.</summary>
    public bool IsRegular => (Mode & KindMask) == RegularFile;

    /// <summary>Whether it is a device of characters, such as a terminal or <c>/dev/null</c>.</summary>
    public bool IsCharacterDevice => (Mode & KindMask) == CharacterDevice;

    /// <summary>Who may do what.</summary>
    public UnixFileMode Permissions => (UnixFileMode)(Mode & PermissionMask);

    private bool IsSticky => (Mode & CharacterSticky) != 0;

    /// <summary>Asks the system, links followed; null where there is no such file, or a system without the question.</summary>
    public static FileOwnership? Of(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        byte* answer = stackalloc byte[StatxSize];
        try
        {
            return Native.Statx(AtCurrentFolder, path, 0, BasicStatistics, answer) == 0
                ? new FileOwnership(
                    *(ushort*)(answer + ModeOffset),
                    *(uint*)(answer + UserOffset),
                    *(uint*)(answer + GroupOffset),
                    *(uint*)(answer + LinksOffset),
                    (*(ulong*)(answer + FileOffset), *(ulong*)(answer + DeviceOffset)))
                : null;
        }
        catch (EntryPointNotFoundException)
        {
            // glibc before 2.28.
            return null;
        }
    }

    /// <summary>Whether a file can be read at once: false for a pipe, say, which would wait for a writer.</summary>
    public static bool IsReadable(string path) => OperatingSystem.IsLinux() ? Of(path) is { IsRegular: true } : File.Exists(path);

    /// <summary>Why another user than root and this process's can change a library, or null.</summary>
    /// <param name="file">The file, links resolved. The file and all folders above it count.</param>
    public static string? WhyChangeable(string file)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        uint self = Native.EffectiveUser();
        bool isNear = true;
        for (string? path = file; path is not null; path = Path.GetDirectoryName(path))
        {
            if (Of(path) is not { } found)
            {
                return null;
            }

            bool isFolder = path != file;
            string? problem = found.User != 0 && found.User != self ? $"user {found.User} owns it"
                : isFolder && found.IsSticky ? null
                : (found.Mode & OthersMayWrite) != 0 ? "everybody may write it"
                : (found.Mode & GroupMayWrite) != 0 && (isNear || !UserGroup.IsOnly(found.Group, self)) ? $"group {found.Group} may write it"
                : null;
            if (problem is not null)
            {
                return $"{path} is not safe to load from: {problem}. Let it belong to root or to this process's user, "
                    + "writable by the owner alone (chmod go-w)";
            }

            isNear = !isFolder;
        }

        return null;
    }

    private static partial class Native
    {
        [LibraryImport(Libraries.C, EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
        public static partial int Statx(int folder, string path, int flags, uint mask, byte* answer);

        [LibraryImport(Libraries.C, EntryPoint = "geteuid")]
        public static partial uint EffectiveUser();
    }
}
