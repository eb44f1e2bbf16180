using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NativeFfn.Bindings.Mkl;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Abi;

/// <summary>Bindings against the real library, and what can be said of them without it.</summary>
public sealed class MklAbiTests
{
    [Test]
    public void The_version_structure_has_the_size_of_mkl_types_h() =>
        Assert.That(Unsafe.SizeOf<MklFunctions.MKLVersion>(), Is.EqualTo(48));

    [Test]
    [Category("Mkl")]
    public void Every_declared_function_is_in_the_library()
    {
        nint library = NativeLibrary.Load(MklUnderTest.Load().Path);
        string[] declared = [.. FunctionTableTests.FunctionsOf(typeof(MklFunctions)).Select(static field => field.Name)];
        Assert.Multiple(() =>
        {
            Assert.That(declared, Has.Length.EqualTo(7));
            foreach (string name in declared)
            {
                Assert.That(NativeLibrary.TryGetExport(library, name, out _), Is.True, name);
            }
        });
    }

    [Test]
    [Category("Mkl")]
    public void Loading_again_gives_the_same_library_and_another_path_is_refused()
    {
        MklLibrary library = MklUnderTest.Load();
        Assert.Multiple(() =>
        {
            Assert.That(MklLibrary.Load(null), Is.SameAs(library));
            Assert.That(MklLibrary.Load(library.Path), Is.SameAs(library));
            Assert.That(MklLibrary.Load(Path.GetDirectoryName(library.Path)), Is.SameAs(library));
            Assert.That(() => MklLibrary.Load("/elsewhere/libmkl_rt.so"), Throws.TypeOf<Bindings.NativeLibraryException>());
            Assert.That(library.Version, Does.Match(@"^20\d\d\."));
        });
    }
}
