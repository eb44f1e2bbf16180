using System.Globalization;

namespace NativeFfn.Bindings.Loading;

/// <summary>Who is in a group, by the system's own files. A group that they do not know may have anybody in it.</summary>
internal static class UserGroup
{
    /// <summary>Whether nobody but root and one user is in a group, as in Debian's <c>staff</c> and in users' private groups.</summary>
    public static bool IsOnly(uint group, uint user)
    {
        try
        {
            string[][] users = Read("/etc/passwd");
            string[][] groups = Read("/etc/group");
            string number = group.ToString(CultureInfo.InvariantCulture);
            string[] trusted = ["0", user.ToString(CultureInfo.InvariantCulture)];
            string[] names = [.. users.Where(entry => entry.Length > 3 && trusted.Contains(entry[2])).Select(static entry => entry[0])];
            string[][] lines = [.. groups.Where(entry => entry.Length > 3 && entry[2] == number)];
            return lines.Length > 0
                && lines.All(entry => entry[3].Split(',', StringSplitOptions.RemoveEmptyEntries).All(names.Contains))
                && users.All(entry => entry.Length <= 3 || entry[3] != number || trusted.Contains(entry[2]));
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static string[][] Read(string file) => [.. File.ReadLines(file).Select(static line => line.Split(':'))];
}
