using System.Collections.Immutable;
using System.IO.Compression;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text;
using System.Xml.Linq;

namespace NativeFfn.Tests.Packaging;

/// <summary>A NuGet package, read as the archive that it is.</summary>
internal sealed class Package : IDisposable
{
    // https://github.com/dotnet/runtime/blob/main/docs/design/specs/PortablePdb-Metadata.md#source-link-c-and-vb-compilers
    private static readonly Guid SourceLink = new("CC110556-A091-4D38-9FEC-25AB9A351A6A");

    private readonly ZipArchive _archive;

    public Package(string path)
    {
        Path = path;
        _archive = ZipFile.OpenRead(path);
    }

    public string Path { get; }

    /// <summary>What its project put into it, sorted; without the parts that every such archive has.</summary>
    public ImmutableArray<string> Files =>
    [
        .. _archive.Entries.Select(static entry => entry.FullName)
            .Where(static name => !name.StartsWith("_rels/", StringComparison.Ordinal) && !name.StartsWith("package/", StringComparison.Ordinal)
                && name != "[Content_Types].xml" && !name.EndsWith(".nuspec", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal),
    ];

    public string Version => Metadata("version")!;

    public ImmutableArray<(string Id, string Version)> Dependencies =>
        [.. Nuspec.Descendants().Where(static element => element.Name.LocalName == "dependency")
            .Select(static element => (element.Attribute("id")!.Value, element.Attribute("version")!.Value))];

    private XElement Nuspec =>
        XDocument.Parse(Text(_archive.Entries.Single(static entry => entry.FullName.EndsWith(".nuspec", StringComparison.Ordinal)).FullName)).Root!;

    public string? Metadata(string name) => Nuspec.Descendants().SingleOrDefault(element => element.Name.LocalName == name)?.Value;

    public string Text(string name)
    {
        using var reader = new StreamReader(_archive.GetEntry(name)!.Open());
        return reader.ReadToEnd();
    }

    /// <summary>What an assembly and its symbols must share.</summary>
    public Guid SymbolsOf(string assembly)
    {
        using var reader = new PEReader(Bytes(assembly));
        DebugDirectoryEntry entry = reader.ReadDebugDirectory().First(static entry => entry.Type == DebugDirectoryEntryType.CodeView);
        return reader.ReadCodeViewDebugDirectoryData(entry).Guid;
    }

    /// <summary>Whether it says where its sources are: the clone that it is from has a remote.</summary>
    public bool HasRepository => Nuspec.Descendants()
        .Any(static element => element.Name.LocalName == "repository" && element.Attribute("url") is not null);

    /// <summary>The same of a symbols file, with the names of its sources, and where they are to be had (SourceLink), in JSON.</summary>
    public (Guid Id, ImmutableArray<string> Sources, string? Link) ReadSymbols(string file)
    {
        using MetadataReaderProvider provider = MetadataReaderProvider.FromPortablePdbImage(Bytes(file));
        MetadataReader reader = provider.GetMetadataReader();
        return (
            new BlobContentId(reader.DebugMetadataHeader!.Id).Guid,
            [.. reader.Documents.Select(document => reader.GetString(reader.GetDocument(document).Name))],
            (from handle in reader.GetCustomDebugInformation(EntityHandle.ModuleDefinition)
             let information = reader.GetCustomDebugInformation(handle)
             where reader.GetGuid(information.Kind) == SourceLink
             select Encoding.UTF8.GetString(reader.GetBlobBytes(information.Value))).SingleOrDefault());
    }

    public void Dispose() => _archive.Dispose();

    private ImmutableArray<byte> Bytes(string name)
    {
        using var copy = new MemoryStream();
        using Stream entry = _archive.GetEntry(name)!.Open();
        entry.CopyTo(copy);
        return [.. copy.ToArray()];
    }
}
