using System.Runtime.InteropServices;
using NativeFfn.Bench.Subjects;

namespace NativeFfn.Bench.OneDnn;

/// <summary><c>dnnl_exec_arg_t</c>: which operand of a primitive a memory is.</summary>
/// <param name="Argument">One of <c>DNNL_ARG_…</c>.</param>
/// <param name="Memory">The memory.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct OneDnnArgument(int Argument, nint Memory);

/// <summary><c>dnnl_memory_desc_t</c> of version 2, which only oneDNN looks into.</summary>
[StructLayout(LayoutKind.Sequential, Size = 696)]
internal struct OneDnnLayout;

/// <summary><c>dnnl_matmul_desc_t</c> of version 2, which only oneDNN looks into.</summary>
[StructLayout(LayoutKind.Sequential, Size = 2800)]
internal struct OneDnnMatmul;

/// <summary>Types of elements: <c>dnnl_data_type_t</c>.</summary>
internal enum OneDnnType
{
    /// <summary>bfloat16.</summary>
    BFloat16 = 2,

    /// <summary>float32.</summary>
    Float32 = 3,

    /// <summary>Signed 8-bit integers.</summary>
    Int8 = 5,
}

/// <summary>oneDNN 2.6 by the C names of dnnl.h without <c>dnnl_</c>.</summary>
internal static unsafe partial class OneDnnLibrary
{
    /// <summary><c>dnnl_success</c>.</summary>
    public const int Success = 0;

    /// <summary><c>dnnl_unimplemented</c>: no code for these types on this processor.</summary>
    public const int Unimplemented = 3;

    /// <summary><c>dnnl_format_tag_any</c>: the primitive chooses.</summary>
    public const int AnyFormat = 1;

    /// <summary><c>dnnl_query_weights_md</c>.</summary>
    public const int WeightsLayout = 131;

    /// <summary><c>DNNL_ARG_SRC</c>, which is also <c>DNNL_ARG_FROM</c>.</summary>
    public const int Source = 1;

    /// <summary><c>DNNL_ARG_DST</c>, which is also <c>DNNL_ARG_TO</c>.</summary>
    public const int Destination = 17;

    /// <summary><c>DNNL_ARG_WEIGHTS</c>.</summary>
    public const int Weights = 33;

    private const string Name = "dnnl";

    // What dnnl_cpu_isa_avx512_core_vnni and all above it have and dnnl_cpu_isa_avx512_core has not.
    private const int Avx512Vnni = 0x40;

    // dnnl_version_t that the structures and numbers above are of.
    private const int Major = 2;
    private const int Minor = 6;

    /// <summary>Loads the library that <c>build/fetch-onednn.sh</c> has fetched.</summary>
    /// <returns>Its version.</returns>
    /// <exception cref="DllNotFoundException">There is none, or it is of another version.</exception>
    public static string Open()
    {
        string file = FetchedLibrary.Find("oneDNN", "onednn", "build/fetch-onednn.sh", "libdnnl.so.2", "NATIVEFFN_ONEDNN");

        // Of the OpenCL that Debian's build links to nothing is called: a CPU's engine is asked for.
        _ = NativeLibrary.TryLoad(Path.Combine(Path.GetDirectoryName(file)!, "libOpenCL.so.1"), out _);
        PeerLibraries.Load(Name, file);
        int* version = Version();
        return (version[0], version[1]) == (Major, Minor)
            ? $"oneDNN {version[0]}.{version[1]}.{version[2]}"
            : throw new DllNotFoundException(
                $"'{file}' is oneDNN {version[0]}.{version[1]}, and {Major}.{Minor} is called here. Run build/fetch-onednn.sh.");
    }

    /// <summary>Throws unless a call succeeded.</summary>
    /// <exception cref="IncompleteException">It failed.</exception>
    public static void Require(int status, string call)
    {
        if (status != Success)
        {
            throw new IncompleteException($"{call} of oneDNN failed with status {status}.");
        }
    }

    /// <summary>
    /// Whether 8-bit integers are multiplied by VNNI. Without it, sums of two products are rounded to 16 bits by saturation, and oneDNN's
    /// guide ("Nuances of int8 computations") asks for weights of 7 bits.
    /// </summary>
    public static bool HasVnni() => (EffectiveIsa() & Avx512Vnni) != 0;

    [LibraryImport(Name, EntryPoint = "dnnl_get_effective_cpu_isa")]
    private static partial int EffectiveIsa();

    [LibraryImport(Name, EntryPoint = "dnnl_version")]
    public static partial int* Version();

    [LibraryImport(Name, EntryPoint = "dnnl_engine_create")]
    public static partial int EngineCreate(out nint engine, int kind, nuint index);

    [LibraryImport(Name, EntryPoint = "dnnl_engine_destroy")]
    public static partial int EngineDestroy(nint engine);

    [LibraryImport(Name, EntryPoint = "dnnl_stream_create")]
    public static partial int StreamCreate(out nint stream, nint engine, uint flags);

    [LibraryImport(Name, EntryPoint = "dnnl_stream_wait")]
    public static partial int StreamWait(nint stream);

    [LibraryImport(Name, EntryPoint = "dnnl_stream_destroy")]
    public static partial int StreamDestroy(nint stream);

    [LibraryImport(Name, EntryPoint = "dnnl_memory_desc_init_by_tag")]
    public static partial int LayoutByTag(OneDnnLayout* layout, int rank, long* sizes, OneDnnType type, int tag);

    [LibraryImport(Name, EntryPoint = "dnnl_memory_desc_init_by_strides")]
    public static partial int LayoutByStrides(OneDnnLayout* layout, int rank, long* sizes, OneDnnType type, long* strides);

    [LibraryImport(Name, EntryPoint = "dnnl_memory_desc_equal")]
    public static partial int LayoutsEqual(OneDnnLayout* left, OneDnnLayout* right);

    [LibraryImport(Name, EntryPoint = "dnnl_memory_desc_get_size")]
    public static partial nuint LayoutBytes(OneDnnLayout* layout);

    [LibraryImport(Name, EntryPoint = "dnnl_memory_create")]
    public static partial int MemoryCreate(out nint memory, OneDnnLayout* layout, nint engine, void* data);

    [LibraryImport(Name, EntryPoint = "dnnl_memory_destroy")]
    public static partial int MemoryDestroy(nint memory);

    [LibraryImport(Name, EntryPoint = "dnnl_primitive_attr_create")]
    public static partial int AttributesCreate(out nint attributes);

    [LibraryImport(Name, EntryPoint = "dnnl_primitive_attr_destroy")]
    public static partial int AttributesDestroy(nint attributes);

    /// <summary>What results are multiplied with; a bit of the mask gives each index along its dimension a scale of its own.</summary>
    [LibraryImport(Name, EntryPoint = "dnnl_primitive_attr_set_output_scales")]
    public static partial int AttributesSetOutputScales(nint attributes, long count, int mask, float* scales);

    [LibraryImport(Name, EntryPoint = "dnnl_matmul_desc_init")]
    public static partial int MatmulInit(
        OneDnnMatmul* matmul, OneDnnLayout* source, OneDnnLayout* weights, OneDnnLayout* bias, OneDnnLayout* destination);

    [LibraryImport(Name, EntryPoint = "dnnl_primitive_desc_create")]
    public static partial int DescriptorCreate(out nint descriptor, OneDnnMatmul* operation, nint attributes, nint engine, nint hint);

    [LibraryImport(Name, EntryPoint = "dnnl_reorder_primitive_desc_create")]
    public static partial int ReorderCreate(
        out nint descriptor, OneDnnLayout* source, nint sourceEngine, OneDnnLayout* destination, nint destinationEngine, nint attributes);

    [LibraryImport(Name, EntryPoint = "dnnl_primitive_desc_query_md")]
    public static partial OneDnnLayout* DescriptorLayout(nint descriptor, int what, int index);

    [LibraryImport(Name, EntryPoint = "dnnl_primitive_desc_destroy")]
    public static partial int DescriptorDestroy(nint descriptor);

    [LibraryImport(Name, EntryPoint = "dnnl_primitive_create")]
    public static partial int PrimitiveCreate(out nint primitive, nint descriptor);

    [LibraryImport(Name, EntryPoint = "dnnl_primitive_execute")]
    public static partial int PrimitiveExecute(nint primitive, nint stream, int count, OneDnnArgument* arguments);

    [LibraryImport(Name, EntryPoint = "dnnl_primitive_destroy")]
    public static partial int PrimitiveDestroy(nint primitive);
}
