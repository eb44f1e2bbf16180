using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>What host and kernels agree on: names, the layout of the arguments, and the sources inside the assembly.</summary>
[Category(Needs.Clone)]
public class KernelLayoutTests
{
    [Test]
    public void Every_struct_has_the_same_size_and_fields_on_both_sides()
    {
        EmulatedKernels kernels = EmulatedKernels.Of(KernelPrecision.F32);
        List<string> names = kernels.Names("emulation_field");
        using (Assert.EnterMultipleScope())
        {
            foreach (string name in names.Where(static name => !name.Contains('.')))
            {
                Type type = TypeOf(name);
                FieldInfo[] fields = type.GetFields();
                Assert.That(Marshal.SizeOf(type), Is.EqualTo(kernels.Layout(name)), name);
                Assert.That(
                    fields.Select(static field => field.Name),
                    Is.EqualTo(names.Where(field => StructName(field) == name).Select(FieldName)), name);
                foreach (FieldInfo field in fields)
                {
                    Assert.That(
                        Marshal.OffsetOf(type, field.Name).ToInt32(),
                        Is.EqualTo(kernels.Layout(names.Single(other => StructName(other) == name && FieldName(other) == field.Name))),
                        $"{name}.{field.Name}");
                }
            }
        }

        Assert.That(names.Count(static name => !name.Contains('.')), Is.EqualTo(11));
    }

    [Test]
    public void Every_precision_has_the_kernels_that_the_host_knows()
    {
        foreach (KernelPrecision precision in KernelPrecision.All)
        {
            Assert.That(EmulatedKernels.Of(precision).Names("emulation_kernel"), Is.EqualTo(KernelSources.Kernels), precision.Name);
        }
    }

    [Test]
    public void The_assembly_has_every_source_as_it_is_and_the_table_of_activations()
    {
        string folder = Path.Combine(Repository.Root, "Native", "cuda");
        IEnumerable<string> files = Directory.GetFiles(folder)
            .Where(static file => Path.GetExtension(file) is ".cu" or ".cuh").Order(StringComparer.Ordinal);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(KernelSources.Main, Is.EqualTo(File.ReadAllText(Path.Combine(folder, KernelSources.MainName))));
            Assert.That(KernelSources.Headers[0], Is.EqualTo((KernelSources.ActivationTableName, KernelSources.ActivationTable)));
            Assert.That(KernelSources.ActivationTable, Does.StartWith("ACTIVATION(0, (x), (y * up))\nACTIVATION(1, (relu(x)), (y * up))\n"));
            Assert.That(
                KernelSources.Headers.Skip(1).Select(static header => header.Name),
                Is.EqualTo(files.Select(Path.GetFileName).Where(static name => name != KernelSources.MainName)));
            Assert.That(
                KernelSources.Headers.Skip(1).Select(static header => header.Text),
                Is.EqualTo(KernelSources.Headers.Skip(1).Select(header => File.ReadAllText(Path.Combine(folder, header.Name)))));
        }
    }

    [TestCase("BLOCK_THREADS", KernelSources.BlockThreads)]
    [TestCase("VECTOR_ROWS", KernelSources.VectorRows)]
    public void A_constant_is_the_same_on_both_sides(string name, int value) =>
        Assert.That(
            KernelSources.Headers.Single(static header => header.Name == "arguments.cuh").Text,
            Does.Contain(string.Create(CultureInfo.InvariantCulture, $"#define {name} {value}\n")));

    private static Type TypeOf(string name) =>
        typeof(KernelSources).Assembly.GetType($"{typeof(KernelSources).Namespace}.{name}", throwOnError: true)!;

    // Of InputArguments.padded_width, InputArguments; of the struct itself, nothing.
    private static string StructName(string name) => name[..Math.Max(0, name.IndexOf('.', StringComparison.Ordinal))];

    // Of InputArguments.padded_width, PaddedWidth.
    private static string FieldName(string name) => string.Concat(
        name[(name.IndexOf('.', StringComparison.Ordinal) + 1)..].Split('_').Select(static word => char.ToUpperInvariant(word[0]) + word[1..]));
}
