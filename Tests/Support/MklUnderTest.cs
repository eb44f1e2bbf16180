using NativeFfn.Bindings;
using NativeFfn.Bindings.Mkl;
using NUnit.Framework;

namespace NativeFfn.Tests.Support;

/// <summary>MKL as the tests of Bindings use it: loaded, or the test is left out with the reason.</summary>
internal static class MklUnderTest
{
    public static MklLibrary Load()
    {
        try
        {
            return MklLibrary.Load(null);
        }
        catch (NativeLibraryException exception)
        {
            if (TestBackends.IsRequired(BackendKind.Mkl))
            {
                Assert.Fail(exception.Message);
            }

            Assert.Ignore(exception.Message);
            throw;
        }
    }
}
