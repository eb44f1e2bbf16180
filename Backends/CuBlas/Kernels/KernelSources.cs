using System.Collections.Immutable;
using System.Globalization;

namespace NativeFfn.Backends.CuBlas.Kernels;

/// <summary>The CUDA C of Native/cuda, which travels inside this assembly and is compiled for the device that is found.</summary>
internal static class KernelSources
{
    /// <summary>Threads of every block: the kernels' reductions are written for this many.</summary>
    public const int BlockThreads = 256;

    /// <summary>Weight rows that one block of vector_stage_* and vector_result_* computes.</summary>
    public const int VectorRows = 16;

    /// <summary>Device rows are padded with zeros to a multiple of this many elements.</summary>
    public const int Padding = 16;

    private const string Prefix = "cuda/";

    /// <summary>The file that includes all others.</summary>
    public static string MainName => "kernels.cu";

    /// <summary>The text of <see cref="MainName"/>.</summary>
    public static string Main { get; } = Read(MainName);

    /// <summary>The file that <see cref="ActivationTable"/> is included by.</summary>
    public static string ActivationTableName => "activation_table.cuh";

    /// <summary>A line for each activation: its index, its formula and its gate's.</summary>
    public static string ActivationTable { get; } = string.Concat(Activation.All.Select(static (activation, index) => string.Create(
        CultureInfo.InvariantCulture, $"ACTIVATION({index}, ({activation.CudaFormula}), ({activation.CudaGateFormula}))\n")));

    /// <summary>Every other file, under the name by which it is included: the table of activations, then Native/cuda's in ordinal order.</summary>
    public static ImmutableArray<(string Name, string Text)> Headers { get; } =
    [
        (ActivationTableName, ActivationTable),
        .. typeof(KernelSources).Assembly.GetManifestResourceNames()
            .Where(static resource => resource.StartsWith(Prefix, StringComparison.Ordinal) && resource != Prefix + MainName)
            .Order(StringComparer.Ordinal)
            .Select(static resource => (resource[Prefix.Length..], Read(resource[Prefix.Length..]))),
    ];

    /// <summary>Every kernel that the program has, in each precision.</summary>
    public static ImmutableArray<string> Kernels { get; } =
    [
        "prepare_operand", "prepare_vector", "prepare_rows", "activate_operand", "activate_result", "trace_stage", "widen_operand", "finish",
        "gather_rows", "combine_experts",
        "vector_stage_1", "vector_stage_2", "vector_stage_4", "vector_stage_8",
        "vector_result_1", "vector_result_2", "vector_result_4", "vector_result_8",
    ];

    private static string Read(string name)
    {
        using Stream stream = typeof(KernelSources).Assembly.GetManifestResourceStream(Prefix + name)
            ?? throw new InvalidOperationException($"The assembly lacks its resource '{Prefix}{name}'.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
