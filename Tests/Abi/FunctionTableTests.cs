using System.Reflection;
using NativeFfn.Bindings;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Loading;
using NativeFfn.Bindings.Mkl;
using NativeFfn.Bindings.Nccl;
using NativeFfn.Bindings.Nvrtc;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Abi;

/// <summary>The tables of functions, with any library behind them.</summary>
public sealed class FunctionTableTests
{
    // Each with what its functions are called by, and the oldest version that has them all.
    private static readonly (Type Table, Func<NativeSymbols, object> Create, string Prefix, string Oldest)[] Tables =
    [
        (typeof(CudaFunctions), static symbols => new CudaFunctions(symbols), "^cu[A-Z]", "12.0 or newer"),
        (typeof(CuBlasLtFunctions), static symbols => new CuBlasLtFunctions(symbols), "^cublasLt[A-Z]", "12.0 or newer"),
        (typeof(NvrtcFunctions), static symbols => new NvrtcFunctions(symbols), "^nvrtc[A-Z]", "12.0 or newer"),
        (typeof(NcclFunctions), static symbols => new NcclFunctions(symbols), "^nccl[A-Z]", "2.14 or newer"),
        (typeof(MklFunctions), static symbols => new MklFunctions(symbols), "^(MKL|cblas)_", "2018 or newer"),
    ];

    /// <summary>The functions of a table.</summary>
    internal static FieldInfo[] FunctionsOf(Type table) =>
        [.. table.GetFields(BindingFlags.Public | BindingFlags.Instance).Where(static field => field.FieldType.IsFunctionPointer)];

    [Test]
    public void Every_field_has_the_function_of_its_own_name()
    {
        int count = 0;
        foreach ((Type table, Func<NativeSymbols, object> create, string prefix, string _) in Tables)
        {
            FieldInfo[] fields = FunctionsOf(table);
            var numbers = fields.Select(static (field, i) => (field.Name, Address: (nint)(i + 1))).ToDictionary(static pair => pair.Name, static pair => pair.Address);
            var symbols = new NumberedSymbols(numbers);
            object filled = create(symbols);
            Assert.Multiple(() =>
            {
                Assert.That(table.GetFields(BindingFlags.Public | BindingFlags.Instance), Is.EqualTo(fields), "nothing but functions");
                Assert.That(symbols.Asked, Is.EqualTo(fields.Select(static field => field.Name)));
                foreach (FieldInfo field in fields)
                {
                    Assert.That(field.Name, Does.Match(prefix));
                    Assert.That(field.FieldType.IsUnmanagedFunctionPointer, Is.True, field.Name);
                    Assert.That(AddressIn(field, filled), Is.EqualTo(numbers[field.Name]), field.Name);
                }
            });
            count += fields.Length;
        }

        Counted.Add(count, "symbols bound");
    }

    [Test]
    public void A_missing_function_is_named_with_its_library_and_the_version_that_has_it()
    {
        Assert.Multiple(() =>
        {
            foreach ((Type table, Func<NativeSymbols, object> create, string _, string oldest) in Tables)
            {
                foreach (FieldInfo field in FunctionsOf(table))
                {
                    var others = FunctionsOf(table).Where(other => other != field).ToDictionary(static other => other.Name, static _ => (nint)1);
                    Assert.That(
                        () => create(new NumberedSymbols(others)),
                        Throws.TypeOf<NativeLibraryException>().With.Message.Contains($"numbered library has no function {field.Name}.")
                            .And.Message.Contains(oldest));
                }
            }
        });
    }

    [TestCase("_functions.cuInit(0)", "cuInit")]
    [TestCase("library.Functions.cublasLtMatmul(handle.Handle, a.b(c))", "cublasLtMatmul")]
    [TestCase("cuStreamQuery", "cuStreamQuery")]
    public void A_calls_text_gives_the_functions_name(string call, string expected) => Assert.That(NativeCall.Function(call), Is.EqualTo(expected));

    private static nint AddressIn(FieldInfo field, object table) => field.GetValue(table) switch
    {
        nint address => address,
        object other => throw new AssertionException($"{field.Name} is a {other.GetType()}."),
        null => 0,
    };

    // A library whose functions are numbers, and which remembers what was looked up.
    private sealed class NumberedSymbols(Dictionary<string, nint> functions) : NativeSymbols
    {
        private readonly List<string> _asked = [];

        public IReadOnlyList<string> Asked => _asked;

        public override string Path => "numbered library";

        public override bool TryFind(string name, out nint address)
        {
            _asked.Add(name);
            return functions.TryGetValue(name, out address);
        }
    }
}
