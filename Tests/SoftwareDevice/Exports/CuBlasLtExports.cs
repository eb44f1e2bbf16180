using System.Runtime.InteropServices;

namespace NativeFfn.Tests.Software;

/// <summary>libcublasLt's functions, with their C signatures. Descriptors need no device, as with the real library.</summary>
internal static unsafe partial class CuBlasLtExports
{
    private static readonly nint StatusText = Marshal.StringToCoTaskMemUTF8("CUBLAS_STATUS of the software device");

    [UnmanagedCallersOnly]
    public static nint cublasLtGetStatusName(int status) => StatusText;

    [UnmanagedCallersOnly]
    public static nint cublasLtGetStatusString(int status) => StatusText;

    [UnmanagedCallersOnly]
    public static nuint cublasLtGetVersion() => (nuint)(SoftwareDevice.Current?.Options.CuBlasLtVersion ?? 0);

    [UnmanagedCallersOnly]
    public static int cublasLtCreate(nint handle) => Run(nameof(cublasLtCreate), handle, static (device, handle) =>
    {
        if (!device.IsInitialized || !device.Contexts.TryPeek(out SoftwareContext? context))
        {
            throw new NativeFailure(CublasResult.NotInitialized, "A cuBLASLt handle was made without a context.");
        }

        ForbidInCapture(context, nameof(cublasLtCreate));
        *(nint*)handle = device.Handles.Add(new SoftwareCublasHandle(context));
        return CublasResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cublasLtDestroy(nint handle) => Run(nameof(cublasLtDestroy), handle, static (device, handle) =>
    {
        SoftwareCublasHandle destroyed = Find<SoftwareCublasHandle>(device, handle);
        ForbidInCapture(destroyed.Context, nameof(cublasLtDestroy));

        // It waits for the whole device, which spoils what any thread captures.
        foreach (SoftwareStream stream in destroyed.Context.Streams)
        {
            if (stream.Capture is { } capture)
            {
                capture.IsInvalid = true;
            }
        }

        destroyed.IsDestroyed = true;
        device.Handles.Remove(handle);
        return CublasResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cublasLtMatmulDescCreate(nint descriptor, int computeType, int scaleType) =>
        Run(nameof(cublasLtMatmulDescCreate), (descriptor, computeType, scaleType), static (device, a) =>
            Add(device, a.descriptor, new MatmulDescriptor(a.computeType, a.scaleType)));

    [UnmanagedCallersOnly]
    public static int cublasLtMatmulDescDestroy(nint descriptor) =>
        Run(nameof(cublasLtMatmulDescDestroy), descriptor, static (device, descriptor) => Remove<MatmulDescriptor>(device, descriptor));

    [UnmanagedCallersOnly]
    public static int cublasLtMatmulDescSetAttribute(nint descriptor, int id, nint value, nuint size) =>
        Run(nameof(cublasLtMatmulDescSetAttribute), (descriptor, id, value, size), static (device, a) =>
            Find<MatmulDescriptor>(device, a.descriptor).Set(a.id, a.value, a.size));

    [UnmanagedCallersOnly]
    public static int cublasLtMatrixLayoutCreate(nint layout, int type, ulong rows, ulong columns, long leading) =>
        Run(nameof(cublasLtMatrixLayoutCreate), (layout, type, rows, columns, leading), static (device, a) =>
            Add(device, a.layout, new MatrixLayout(a.type, a.rows, a.columns, a.leading)));

    [UnmanagedCallersOnly]
    public static int cublasLtMatrixLayoutDestroy(nint layout) =>
        Run(nameof(cublasLtMatrixLayoutDestroy), layout, static (device, layout) => Remove<MatrixLayout>(device, layout));

    [UnmanagedCallersOnly]
    public static int cublasLtMatmulPreferenceCreate(nint preference) =>
        Run(nameof(cublasLtMatmulPreferenceCreate), preference, static (device, preference) => Add(
            device, preference, new MatmulPreference()));

    [UnmanagedCallersOnly]
    public static int cublasLtMatmulPreferenceDestroy(nint preference) =>
        Run(nameof(cublasLtMatmulPreferenceDestroy), preference, static (device, preference) => Remove<MatmulPreference>(
            device, preference));

    [UnmanagedCallersOnly]
    public static int cublasLtMatmulPreferenceSetAttribute(nint preference, int id, nint value, nuint size) =>
        Run(nameof(cublasLtMatmulPreferenceSetAttribute), (preference, id, value, size), static (device, a) =>
            Find<MatmulPreference>(device, a.preference).Set(a.id, a.value, a.size));

    private static int Add(SoftwareDevice device, nint handle, object thing)
    {
        *(nint*)handle = device.Handles.Add(thing);
        return CublasResult.Success;
    }

    private static int Remove<T>(SoftwareDevice device, nint handle)
        where T : class
    {
        _ = Find<T>(device, handle);
        device.Handles.Remove(handle);
        return CublasResult.Success;
    }

    private static T Find<T>(SoftwareDevice device, nint handle)
        where T : class => device.Handles.Get<T>(handle, CublasResult.InvalidValue, CublasResult.NotInitialized);

    // Handles hold device memory, which a capturing thread may neither take nor give back.
    private static void ForbidInCapture(SoftwareContext context, string name)
    {
        foreach (SoftwareStream stream in context.Streams)
        {
            if (stream.Capture is { } capture && capture.Thread == Thread.CurrentThread)
            {
                capture.IsInvalid = true;
                throw new NativeFailure(CublasResult.InternalError, $"{name} while a stream is captured.");
            }
        }
    }

    private static int Run<T>(string name, T arguments, Func<SoftwareDevice, T, int> work) =>
        ExportCall.Run(ExportCall.CuBlasLt, name, arguments, work);
}
