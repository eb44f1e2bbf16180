using System.Runtime.InteropServices;

namespace NativeFfn.Tests.Software;

/// <summary>libnvrtc's functions, with their C signatures.</summary>
internal static unsafe class NvrtcExports
{
    private static readonly nint ErrorText = Marshal.StringToCoTaskMemUTF8("software compiler: error");

    [UnmanagedCallersOnly]
    public static nint nvrtcGetErrorString(int status) => ErrorText;

    [UnmanagedCallersOnly]
    public static int nvrtcVersion(nint major, nint minor) => Run(nameof(nvrtcVersion), (major, minor), static (device, a) =>
    {
        (*(int*)a.major, *(int*)a.minor) = device.Options.NvrtcVersion;
        return NvrtcResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int nvrtcGetNumSupportedArchs(nint count) => Run(nameof(nvrtcGetNumSupportedArchs), count, static (device, count) =>
    {
        *(int*)count = device.Options.Architectures.Length;
        return NvrtcResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int nvrtcGetSupportedArchs(nint architectures) =>
        Run(nameof(nvrtcGetSupportedArchs), architectures, static (device, architectures) =>
    {
        Marshal.Copy(device.Options.Architectures, 0, architectures, device.Options.Architectures.Length);
        return NvrtcResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int nvrtcCreateProgram(nint program, nint source, nint name, int headerCount, nint headers, nint headerNames) =>
        Run(nameof(nvrtcCreateProgram), (program, source, name, headerCount, headers, headerNames), static (device, a) =>
        {
            if (a.program == 0 || a.source == 0 || a.headerCount < 0)
            {
                throw new NativeFailure(NvrtcResult.InvalidInput, "A program without a source.");
            }

            var headers = new Dictionary<string, string>();
            for (int i = 0; i < a.headerCount; i++)
            {
                headers.Add(Text(((nint*)a.headerNames)[i]), Text(((nint*)a.headers)[i]));
            }

            *(nint*)a.program = device.Handles.Add(
                new SoftwareProgram(a.name == 0 ? "default_program" : Text(a.name), Text(a.source), headers));
            return NvrtcResult.Success;
        });

    [UnmanagedCallersOnly]
    public static int nvrtcDestroyProgram(nint program) => Run(nameof(nvrtcDestroyProgram), program, static (device, program) =>
    {
        _ = Find(device, *(nint*)program);
        device.Handles.Remove(*(nint*)program);
        *(nint*)program = 0;
        return NvrtcResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int nvrtcCompileProgram(nint program, int count, nint options) =>
        Run(nameof(nvrtcCompileProgram), (program, count, options), static (device, a) =>
        {
            string[] options = new string[a.count];
            for (int i = 0; i < options.Length; i++)
            {
                options[i] = Text(((nint*)a.options)[i]);
            }

            return Find(device, a.program).Compile(options, device.Options.Architectures);
        });

    [UnmanagedCallersOnly]
    public static int nvrtcGetProgramLogSize(nint program, nint size) =>
        Run(nameof(nvrtcGetProgramLogSize), (program, size), static (device, a) =>
    {
        *(nuint*)a.size = (nuint)Find(device, a.program).Log.Length;
        return NvrtcResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int nvrtcGetProgramLog(nint program, nint log) => Run(nameof(nvrtcGetProgramLog), (program, log), static (device, a) =>
    {
        Find(device, a.program).Log.CopyTo(new Span<byte>((void*)a.log, int.MaxValue));
        return NvrtcResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int nvrtcGetCUBINSize(nint program, nint size) => Run(nameof(nvrtcGetCUBINSize), (program, size), static (device, a) =>
    {
        *(nuint*)a.size = (nuint)Find(device, a.program).Cubin.Length;
        return NvrtcResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int nvrtcGetCUBIN(nint program, nint cubin) => Run(nameof(nvrtcGetCUBIN), (program, cubin), static (device, a) =>
    {
        Find(device, a.program).Cubin.CopyTo(new Span<byte>((void*)a.cubin, int.MaxValue));
        return NvrtcResult.Success;
    });

    private static string Text(nint text) => Marshal.PtrToStringUTF8(text) ?? "";

    private static SoftwareProgram Find(SoftwareDevice device, nint program) =>
        device.Handles.Get<SoftwareProgram>(program, NvrtcResult.InvalidProgram, NvrtcResult.InvalidProgram);

    private static int Run<T>(string name, T arguments, Func<SoftwareDevice, T, int> work) =>
        ExportCall.Run(ExportCall.Nvrtc, name, arguments, work);
}
