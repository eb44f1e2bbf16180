using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using NativeFfn.Bench.Subjects;

namespace NativeFfn.Bench.Ggml;

/// <summary>Types of ggml's tensors: <c>enum ggml_type</c> of ggml.h.</summary>
internal enum GgmlType
{
    /// <summary>float32.</summary>
    F32 = 0,

    /// <summary>4-bit integers, 32 to a scale.</summary>
    Q4_0 = 2,

    /// <summary>8-bit integers, 32 to a scale.</summary>
    Q8_0 = 8,

    /// <summary>4-bit integers, 32 to a scale and a minimum, which are 6-bit integers, 256 weights to two scales.</summary>
    Q4_K = 12,

    /// <summary>bfloat16.</summary>
    BF16 = 30,
}

/// <summary><c>struct ggml_init_params</c>.</summary>
/// <param name="Bytes">Bytes of the memory of tensors and graphs.</param>
/// <param name="Memory">The memory; 0 lets ggml allocate it.</param>
/// <param name="NoData">1 where the tensors' data lies elsewhere.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct GgmlInit(nuint Bytes, nint Memory, byte NoData);

/// <summary><c>struct ggml_type_traits</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct GgmlTraits
{
    /// <summary>The type's name.</summary>
    public readonly byte* Name;

    /// <summary>Weights of a block.</summary>
    public readonly long BlockSize;

    /// <summary>Elements of a block that are interleaved.</summary>
    public readonly long BlockInterleave;

    /// <summary>Bytes of a block.</summary>
    public readonly nuint TypeSize;

    /// <summary>Whether a block has more than one weight.</summary>
    public readonly byte IsQuantized;

    /// <summary>Decodes so many weights; null for float32.</summary>
    public readonly delegate* unmanaged<void*, float*, long, void> ToFloat;
}

/// <summary>
/// ggml 0.18 as the package LLamaSharp.Backend.Cpu brings it: the functions of ggml.h, ggml-alloc.h, ggml-backend.h and ggml-cpu.h by
/// their C names without <c>ggml_</c>.
/// </summary>
/// <remarks>All that take no size or count are checked by ggml itself, which ends the process: whoever calls passes what fits.</remarks>
internal static unsafe partial class GgmlLibrary
{
    private const string Base = "ggml-base";
    private const string Cpu = "ggml-cpu";

    // Beside the program; one folder for each set of instructions where the package has several.
    private const string Folder = "ggml";

    /// <summary>Loads the build for this processor.</summary>
    /// <returns>Its version and the instructions that it was built for.</returns>
    /// <exception cref="DllNotFoundException">There is none for this machine, or what it needs is missing.</exception>
    public static string Open()
    {
        string instructions = Instructions();
        string folder = Path.Combine(AppContext.BaseDirectory, Folder);
        folder = Directory.Exists(Path.Combine(folder, instructions)) ? Path.Combine(folder, instructions) : folder;
        foreach (string name in new[] { Base, Cpu })
        {
            string file = Path.Combine(folder, OperatingSystem.IsWindows() ? name + ".dll" : $"lib{name}.so");
            PeerLibraries.Load(name, File.Exists(file) ? file : throw new DllNotFoundException(
                $"There is no '{file}': the package LLamaSharp.Backend.Cpu has no ggml for this machine. Leave ggml out with --subjects."));
        }

        // It tells of every matrix that it stores in another order.
        LogSet(&Ignore, 0);
        return $"ggml {Marshal.PtrToStringUTF8((nint)Version())} ({Marshal.PtrToStringUTF8((nint)Commit())}), {instructions}";
    }

    [LibraryImport(Base, EntryPoint = "ggml_log_set")]
    public static partial void LogSet(delegate* unmanaged[Cdecl]<int, byte*, nint, void> log, nint data);

    [LibraryImport(Base, EntryPoint = "ggml_version")]
    public static partial byte* Version();

    [LibraryImport(Base, EntryPoint = "ggml_commit")]
    public static partial byte* Commit();

    [LibraryImport(Base, EntryPoint = "ggml_init")]
    public static partial nint Init(GgmlInit memory);

    [LibraryImport(Base, EntryPoint = "ggml_free")]
    public static partial void Free(nint context);

    [LibraryImport(Base, EntryPoint = "ggml_tensor_overhead")]
    public static partial nuint TensorOverhead();

    [LibraryImport(Base, EntryPoint = "ggml_graph_overhead")]
    public static partial nuint GraphOverhead();

    /// <summary>A matrix with <paramref name="columns"/> neighbouring elements in each of its <paramref name="rows"/>.</summary>
    [LibraryImport(Base, EntryPoint = "ggml_new_tensor_2d")]
    public static partial nint NewTensor2d(nint context, GgmlType type, long columns, long rows);

    /// <summary>x · Wᵀ.</summary>
    [LibraryImport(Base, EntryPoint = "ggml_mul_mat")]
    public static partial nint MulMat(nint context, nint weights, nint input);

    /// <summary>silu(gate) · up.</summary>
    [LibraryImport(Base, EntryPoint = "ggml_swiglu_split")]
    public static partial nint SwigluSplit(nint context, nint gate, nint up);

    [LibraryImport(Base, EntryPoint = "ggml_add")]
    public static partial nint Add(nint context, nint left, nint right);

    [LibraryImport(Base, EntryPoint = "ggml_set_output")]
    public static partial void SetOutput(nint tensor);

    [LibraryImport(Base, EntryPoint = "ggml_get_data")]
    public static partial void* GetData(nint tensor);

    [LibraryImport(Base, EntryPoint = "ggml_new_graph")]
    public static partial nint NewGraph(nint context);

    [LibraryImport(Base, EntryPoint = "ggml_build_forward_expand")]
    public static partial void BuildForwardExpand(nint graph, nint tensor);

    [LibraryImport(Base, EntryPoint = "ggml_get_type_traits")]
    public static partial GgmlTraits* GetTypeTraits(GgmlType type);

    /// <summary>Encodes rows; <paramref name="start"/> counts weights, and the importance of columns may be null.</summary>
    /// <returns>Bytes written.</returns>
    [LibraryImport(Base, EntryPoint = "ggml_quantize_chunk")]
    public static partial nuint QuantizeChunk(
        GgmlType type, float* source, void* destination, long start, long rows, long columns, float* importance);

    /// <summary>Memory for all tensors of a context; 0 where there is none.</summary>
    [LibraryImport(Base, EntryPoint = "ggml_backend_alloc_ctx_tensors_from_buft")]
    public static partial nint AllocContextTensors(nint context, nint bufferType);

    [LibraryImport(Base, EntryPoint = "ggml_backend_buffer_free")]
    public static partial void BufferFree(nint buffer);

    [LibraryImport(Base, EntryPoint = "ggml_backend_buft_name")]
    public static partial byte* BufferTypeName(nint bufferType);

    [LibraryImport(Base, EntryPoint = "ggml_backend_tensor_set")]
    public static partial void TensorSet(nint tensor, void* data, nuint offset, nuint bytes);

    [LibraryImport(Base, EntryPoint = "ggml_gallocr_new")]
    public static partial nint AllocatorNew(nint bufferType);

    [LibraryImport(Base, EntryPoint = "ggml_gallocr_free")]
    public static partial void AllocatorFree(nint allocator);

    [LibraryImport(Base, EntryPoint = "ggml_gallocr_alloc_graph")]
    public static partial byte AllocGraph(nint allocator, nint graph);

    [LibraryImport(Base, EntryPoint = "ggml_backend_graph_compute")]
    public static partial int GraphCompute(nint backend, nint graph);

    [LibraryImport(Base, EntryPoint = "ggml_backend_free")]
    public static partial void BackendFree(nint backend);

    [LibraryImport(Base, EntryPoint = "ggml_backend_reg_dev_get")]
    public static partial nint RegistryDevice(nint registry, nuint index);

    [LibraryImport(Base, EntryPoint = "ggml_backend_reg_get_proc_address", StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint RegistryFunction(nint registry, string name);

    [LibraryImport(Base, EntryPoint = "ggml_backend_dev_supports_op")]
    public static partial byte DeviceSupports(nint device, nint operation);

    [LibraryImport(Base, EntryPoint = "ggml_backend_cpu_buffer_type")]
    public static partial nint CpuBufferType();

    [LibraryImport(Cpu, EntryPoint = "ggml_backend_cpu_reg")]
    public static partial nint CpuRegistry();

    [LibraryImport(Cpu, EntryPoint = "ggml_backend_cpu_init")]
    public static partial nint CpuInit();

    [LibraryImport(Cpu, EntryPoint = "ggml_backend_cpu_set_n_threads")]
    public static partial void CpuSetThreads(nint backend, int threads);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Ignore(int level, byte* text, nint data)
    {
    }

    // LLamaSharp chooses by the same names.
    private static string Instructions() =>
        Avx512F.IsSupported && Avx512BW.IsSupported && Avx512CD.IsSupported && Avx512DQ.IsSupported ? "avx512"
        : Avx2.IsSupported && Fma.IsSupported ? "avx2"
        : Avx.IsSupported ? "avx"
        : "noavx";
}
