using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Readme;

/// <summary>The form of every document: links that lead somewhere, lines that fit, a README for five minutes.</summary>
[Category(Needs.Clone)]
public sealed class DocumentTests
{
    private const int MaxColumns = 140;
    private const int MaxReadmeBytes = 7 * 1024;

    [TestCaseSource(typeof(Documents), nameof(Documents.All))]
    public void Every_relative_link_and_anchor_leads_somewhere(string document)
    {
        string text = Documents.Read(document);
        Assert.Multiple(() =>
        {
            foreach (string link in Documents.RelativeLinks(text))
            {
                string[] parts = link.Split('#', 2);
                string target = parts[0].Length == 0 ? document : Path.Combine(Path.GetDirectoryName(document)!, parts[0]);
                string place = Documents.InRoot(target);
                Assert.That(Path.Exists(place), Is.True, link);
                if (parts.Length == 2 && File.Exists(place))
                {
                    Assert.That(Documents.Anchors(Documents.Read(target)), Does.Contain(parts[1]), link);
                }
            }
        });
    }

    [TestCaseSource(typeof(Documents), nameof(Documents.All))]
    public void No_line_is_too_long(string document) =>
        Assert.That(Documents.Read(document).Split('\n').Where(static line => line.Length > MaxColumns), Is.Empty);

    [TestCaseSource(typeof(Documents), nameof(Documents.All))]
    public void A_package_source_is_for_one_project_alone(string document) => Assert.That(
        Documents.Read(document).Split('\n').Where(static line => line.Contains("nuget add source", StringComparison.Ordinal)),
        Has.All.Contains("--configfile nuget.config"));

    [Test]
    public void The_readme_takes_five_minutes() =>
        Assert.That(new FileInfo(Documents.InRoot("README.md")).Length, Is.AtMost(MaxReadmeBytes));

    [Test]
    public void The_index_names_every_document_under_docs() => Assert.Multiple(static () =>
    {
        string index = Documents.Read("docs/README.md");
        foreach (string path in Documents.All().Where(static path => path.StartsWith("docs/", StringComparison.Ordinal)))
        {
            Assert.That(path == "docs/README.md" || index.Contains($"({path["docs/".Length..]})", StringComparison.Ordinal), Is.True, path);
        }
    });
}
