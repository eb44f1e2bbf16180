namespace NativeFfn.Tests.Support;

/// <summary>Categories of tests that need more than a machine to compute on, and are left out where it is not there.</summary>
internal static class Needs
{
    /// <summary>The <c>dotnet</c> command.</summary>
    public const string Sdk = "Sdk";

    /// <summary>The clone that the tests were compiled in.</summary>
    public const string Clone = "Clone";
}
