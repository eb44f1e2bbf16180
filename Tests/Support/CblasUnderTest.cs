using NativeFfn.Bindings;
using NativeFfn.Bindings.Cblas;
using NativeFfn.Bindings.Loading;
using NUnit.Framework;

namespace NativeFfn.Tests.Support;

/// <summary>The CBLAS libraries that <c>build/fetch-cblas.sh</c> fetches, as tests use them: loaded, or the test is left out with the reason.</summary>
internal static class CblasUnderTest
{
    /// <summary>Folders of the cache.</summary>
    public static string[] Names { get; } = ["openblas", "blis"];

    /// <summary>The file of a fetched library.</summary>
    public static string PathOf(string name)
    {
        LibraryCandidate[] fetched = [.. LibraryCandidate.Cache("build/fetch-cblas.sh", name, Libraries.CblasFiles)];
        return fetched.SelectMany(static candidate => candidate.Files).FirstOrDefault() ?? Without($"no {name} in {fetched[0].Location}; build/fetch-cblas.sh fetches it");
    }

    /// <summary>A fetched library, loaded.</summary>
    public static CblasLibrary Load(string name) => CblasLibrary.Load(PathOf(name));

    private static string Without(string reason)
    {
        if (TestBackends.IsRequired(BackendKind.Cblas))
        {
            Assert.Fail(reason);
        }

        Assert.Ignore(reason);
        throw new InvalidOperationException(reason);
    }
}
