using NativeFfn.Cli.Files;
using NUnit.Framework;

namespace NativeFfn.Tests.Cli;

public sealed class NewFolderTests
{
    [Test]
    public void What_is_not_kept_goes_away_with_the_folders_made_for_it()
    {
        using var temp = new CommandFolder();
        using (NewFolder folder = NewFolder.Create(temp["a/b"], "one", "two"))
        {
            File.WriteAllText(folder["one"], "1");
        }

        Assert.That(temp.Entries, Is.Empty);
    }

    [Test]
    public void What_others_put_there_stays()
    {
        using var temp = new CommandFolder();
        using (NewFolder folder = NewFolder.Create(temp["a/b"], "one"))
        {
            File.WriteAllText(folder["one"], "1");
            File.WriteAllText(temp["a/other"], "2");
        }

        Assert.That(Directory.GetFileSystemEntries(temp["a"]), Is.EqualTo(new[] { temp["a/other"] }));
    }

    [Test]
    public void What_is_kept_stays()
    {
        using var temp = new CommandFolder();
        using (NewFolder folder = NewFolder.Create(temp["a"], "one"))
        {
            File.WriteAllText(folder["one"], "1");
            folder.Keep();
        }

        Assert.That(File.Exists(temp["a/one"]), Is.True);
    }
}
