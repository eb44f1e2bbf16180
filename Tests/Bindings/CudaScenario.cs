using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Tests.Software;

namespace NativeFfn.Tests.Handles;

/// <summary>Everything that the backend does with the handles, once: copies, a kernel, a product, a capture, events, and back.</summary>
internal static unsafe class CudaScenario
{
    public const int Tokens = 16;
    public const int Width = 16;

    private const int Count = Tokens * Width;
    private const int Bytes = Count * sizeof(float);

    /// <summary>0, 2, 4, …: what <see cref="Run"/> answers.</summary>
    public static float[] Expected { get; } = [.. Enumerable.Range(0, Count).Select(static i => 2f * i)];

    /// <summary>A product of 16 rows, columns and tokens, all dense.</summary>
    public static MatmulShape Shape { get; } = new()
    {
        Rows = Width, Columns = Width, Tokens = Tokens, WeightStride = Width, InputStride = Width, OutputStride = Width,
        Operand = CudaDataType.Float32, Output = CudaDataType.Float32, Compute = CublasComputeType.Float32,
        Epilogue = CublasLtEpilogue.Default,
        AlignmentBytes = 256,
    };

    public static byte[] Compile(CudaLibraries libraries) =>
        libraries.Nvrtc.Compile("kernels.cu", "#include \"a.cuh\"", [("a.cuh", "")], ["--gpu-architecture=sm_90", "-DNATIVEFFN_F32"]);

    /// <summary>Tokens of 0, 1, 2, … times twice the identity, the kernel and the product captured in a graph.</summary>
    public static float[] Run(SoftwareDevice device)
    {
        var libraries = new CudaLibraries(device.Driver, device.CuBlasLt, device.Nvrtc);
        using var context = CudaContext.RetainPrimary(libraries.Driver, libraries.Driver.Device(0));
        using CudaContext.Scope scope = context.Enter();
        using CudaStream stream = context.CreateStream();
        using CuBlasLtHandle handle = libraries.CuBlasLt.CreateHandle(context);
        using DeviceMemory memory = context.Allocate(4 * Bytes);
        using PinnedMemory pinned = context.AllocatePinned(3 * Bytes);
        using CudaModule module = context.LoadModule(Compile(libraries));
        using CudaEvent start = context.CreateEvent(timing: true);
        using CudaEvent end = context.CreateEvent(timing: true);
        CudaKernel kernel = module.Kernel("prepare_operand");
        float* values = (float*)pinned.Pointer;
        for (int i = 0; i < Count; i++)
        {
            values[i] = i;
            values[Count + i] = i % (Width + 1) == 0 ? 2 : 0;
        }

        (DeviceRegion input, DeviceRegion prepared) = (memory.Region.Slice(0, Bytes), memory.Region.Slice(Bytes, Bytes));
        (DeviceRegion weights, DeviceRegion output) = (memory.Region.Slice(2 * Bytes, Bytes), memory.Region.Slice(3 * Bytes, Bytes));
        try
        {
            stream.Record(start);
            stream.CopyToDevice(values, input);
            stream.CopyToDevice(values + Count, weights);
            using var product = Matmul.Create(libraries.CuBlasLt, Shape);
            var found = new MatmulAlgorithm[4];
            _ = product.Find(handle, 0, found);
            stream.BeginCapture();
            using CudaGraph graph = Capture(stream, () =>
            {
                Prepare(stream, kernel, input, prepared);
                product.Run(handle, found[0], weights, prepared, default, output, default, stream);
            });
            stream.Launch(graph);
            stream.Record(end);
            end.Synchronize();
            stream.CopyToHost(output, values + (2 * Count));
            stream.Synchronize();
            _ = end.MillisecondsSince(start);
            return new Span<float>(values + (2 * Count), Count).ToArray();
        }
        finally
        {
            // What is queued names memory that goes now.
            WaitQuietly(context);
        }
    }

    /// <summary>Rows as they are, from one region to another.</summary>
    public static void Prepare(CudaStream stream, CudaKernel kernel, DeviceRegion input, DeviceRegion output)
    {
        var argument = new InputArguments
        {
            Input = input.Address, InputStride = Width, Output = output.Address, OutputStride = Width, Width = Width, PaddedWidth = Width,
        };
        stream.Launch(kernel, new LaunchShape(Tokens, 1, 256), &argument);
    }

    private static void WaitQuietly(CudaContext context)
    {
        try
        {
            context.Synchronize();
        }
        catch (CudaException)
        {
            // A failure is told by what came before.
        }
    }

    private static CudaGraph Capture(CudaStream stream, Action work)
    {
        try
        {
            work();
            return stream.EndCapture();
        }
        catch
        {
            try
            {
                stream.AbandonCapture();
            }
            catch (CudaException)
            {
                // What came first is told.
            }

            throw;
        }
    }
}
