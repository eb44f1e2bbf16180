using System.Runtime.InteropServices;
using System.Text;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Tests.Support;

/// <summary>A CUDA driver that does nothing but write down what it is asked and answer as a test says. One test at a time uses it.</summary>
/// <remarks>It has one device, whose context is <see cref="Context"/>; everything made gets the next number above <see cref="FirstHandle"/>.</remarks>
internal static unsafe class ScriptedDriver
{
    public const nint Context = 0x77;
    public const nint FirstHandle = 0x1000;
    public const int MaxGridX = 1000;
    public const int MaxGridY = 65535;
    public const int MaxBlockThreads = 512;
    public const int MaxSharedBytes = 4096;

    private static readonly Lock Gate = new();
    private static readonly List<string> Written = [];
    private static readonly Dictionary<string, int> Answers = [];
    private static nint s_next;

    /// <summary>What cuPointerGetAttribute answers, by attribute.</summary>
    public static Dictionary<int, long> PointerAttributes { get; } = [];

    /// <summary>The calls since <see cref="Start"/>, without pushes and pops of the context that match.</summary>
    public static string[] Calls
    {
        get
        {
            lock (Gate)
            {
                return [.. Written];
            }
        }
    }

    /// <summary>How often the context is current now.</summary>
    public static int Depth { get; private set; }

    public static int Version { get; set; }

    public static int DeviceCount { get; set; }

    /// <summary>Starts anew, with nothing written and every call successful.</summary>
    public static CudaDriver Start()
    {
        Reset();
        return CudaDriver.Start(Symbols());
    }

    public static void Reset()
    {
        lock (Gate)
        {
            Written.Clear();
            Answers.Clear();
        }

        PointerAttributes.Clear();
        (s_next, Depth, Version, DeviceCount) = (FirstHandle, 0, 12040, 1);
    }

    /// <summary>Lets a function answer a status from now on.</summary>
    public static void Answer(string function, int status)
    {
        lock (Gate)
        {
            Answers[function] = status;
        }
    }

    /// <summary>Forgets what was written.</summary>
    public static void Forget()
    {
        lock (Gate)
        {
            Written.Clear();
        }
    }

    public static ScriptedSymbols Symbols() => new(new()
    {
        ["cuInit"] = (nint)(delegate* unmanaged<uint, int>)&Init,
        ["cuDriverGetVersion"] = (nint)(delegate* unmanaged<int*, int>)&GetVersion,
        ["cuGetErrorName"] = (nint)(delegate* unmanaged<int, byte**, int>)&ErrorName,
        ["cuGetErrorString"] = (nint)(delegate* unmanaged<int, byte**, int>)&ErrorString,
        ["cuDeviceGetCount"] = (nint)(delegate* unmanaged<int*, int>)&GetCount,
        ["cuDeviceGet"] = (nint)(delegate* unmanaged<int*, int, int>)&GetDevice,
        ["cuDeviceGetName"] = (nint)(delegate* unmanaged<byte*, int, int, int>)&GetName,
        ["cuDeviceGetAttribute"] = (nint)(delegate* unmanaged<int*, int, int, int>)&GetAttribute,
        ["cuDeviceTotalMem_v2"] = (nint)(delegate* unmanaged<nuint*, int, int>)&GetTotal,
        ["cuDeviceGetUuid_v2"] = (nint)(delegate* unmanaged<byte*, int, int>)&GetUuid,
        ["cuDevicePrimaryCtxRetain"] = (nint)(delegate* unmanaged<nint*, int, int>)&Retain,
        ["cuDevicePrimaryCtxRelease_v2"] = (nint)(delegate* unmanaged<int, int>)&Release,
        ["cuCtxPushCurrent_v2"] = (nint)(delegate* unmanaged<nint, int>)&Push,
        ["cuCtxPopCurrent_v2"] = (nint)(delegate* unmanaged<nint*, int>)&Pop,
        ["cuCtxGetDevice"] = (nint)(delegate* unmanaged<int*, int>)&CurrentDevice,
        ["cuMemGetInfo_v2"] = (nint)(delegate* unmanaged<nuint*, nuint*, int>)&MemoryInfo,
        ["cuMemAlloc_v2"] = (nint)(delegate* unmanaged<nint*, nuint, int>)&Allocate,
        ["cuMemFree_v2"] = (nint)(delegate* unmanaged<nint, int>)&FreeMemory,
        ["cuMemHostAlloc"] = (nint)(delegate* unmanaged<nint*, nuint, uint, int>)&AllocateHost,
        ["cuMemFreeHost"] = (nint)(delegate* unmanaged<nint, int>)&FreeHost,
        ["cuMemcpyHtoDAsync_v2"] = (nint)(delegate* unmanaged<nint, nint, nuint, nint, int>)&CopyToDevice,
        ["cuMemcpyDtoHAsync_v2"] = (nint)(delegate* unmanaged<nint, nint, nuint, nint, int>)&CopyToHost,
        ["cuMemcpyDtoDAsync_v2"] = (nint)(delegate* unmanaged<nint, nint, nuint, nint, int>)&CopyOnDevice,
        ["cuMemsetD8Async"] = (nint)(delegate* unmanaged<nint, byte, nuint, nint, int>)&Fill,
        ["cuPointerGetAttribute"] = (nint)(delegate* unmanaged<nint, int, nint, int>)&GetPointerAttribute,
        ["cuStreamCreate"] = (nint)(delegate* unmanaged<nint*, uint, int>)&CreateStream,
        ["cuStreamDestroy_v2"] = (nint)(delegate* unmanaged<nint, int>)&DestroyStream,
        ["cuStreamQuery"] = (nint)(delegate* unmanaged<nint, int>)&QueryStream,
        ["cuStreamWaitEvent"] = (nint)(delegate* unmanaged<nint, nint, uint, int>)&Wait,
        ["cuStreamGetCtx"] = (nint)(delegate* unmanaged<nint, nint*, int>)&GetStreamContext,
        ["cuStreamIsCapturing"] = (nint)(delegate* unmanaged<nint, int*, int>)&IsCapturing,
        ["cuStreamBeginCapture_v2"] = (nint)(delegate* unmanaged<nint, int, int>)&BeginCapture,
        ["cuStreamEndCapture"] = (nint)(delegate* unmanaged<nint, nint*, int>)&EndCapture,
        ["cuStreamSynchronize"] = (nint)(delegate* unmanaged<nint, int>)&SynchronizeStream,
        ["cuEventCreate"] = (nint)(delegate* unmanaged<nint*, uint, int>)&CreateEvent,
        ["cuEventDestroy_v2"] = (nint)(delegate* unmanaged<nint, int>)&DestroyEvent,
        ["cuEventRecord"] = (nint)(delegate* unmanaged<nint, nint, int>)&Record,
        ["cuEventQuery"] = (nint)(delegate* unmanaged<nint, int>)&QueryEvent,
        ["cuEventElapsedTime"] = (nint)(delegate* unmanaged<float*, nint, nint, int>)&Elapsed,
        ["cuModuleLoadData"] = (nint)(delegate* unmanaged<nint*, byte*, int>)&LoadModule,
        ["cuModuleUnload"] = (nint)(delegate* unmanaged<nint, int>)&UnloadModule,
        ["cuModuleGetFunction"] = (nint)(delegate* unmanaged<nint*, nint, byte*, int>)&GetFunction,
        ["cuLaunchKernel"] = (nint)(delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, int**, void**, int>)&LaunchKernel,
        ["cuGraphInstantiateWithFlags"] = (nint)(delegate* unmanaged<nint*, nint, ulong, int>)&Instantiate,
        ["cuGraphLaunch"] = (nint)(delegate* unmanaged<nint, nint, int>)&LaunchGraph,
        ["cuGraphExecDestroy"] = (nint)(delegate* unmanaged<nint, int>)&DestroyExecutable,
        ["cuGraphDestroy"] = (nint)(delegate* unmanaged<nint, int>)&DestroyGraph,
    });

    private static int Write(string function, FormattableString? arguments = null)
    {
        lock (Gate)
        {
            Written.Add(arguments is null ? function : $"{function}({FormattableString.Invariant(arguments)})");
            return Answers.GetValueOrDefault(function);
        }
    }

    private static int Make(nint* made, string function, FormattableString? arguments = null)
    {
        int status = Write(function, arguments);
        if (status == 0)
        {
            *made = ++s_next;
        }

        return status;
    }

    [UnmanagedCallersOnly]
    private static int Init(uint flags) => Write("cuInit", $"{flags}");

    [UnmanagedCallersOnly]
    private static int GetVersion(int* version)
    {
        *version = Version;
        return Write("cuDriverGetVersion");
    }

    // Never freed: the driver's own texts are not, either.
    [UnmanagedCallersOnly]
    private static int ErrorName(int status, byte** name)
    {
        *name = (byte*)Marshal.StringToCoTaskMemUTF8($"STATUS_{status}");
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int ErrorString(int status, byte** text)
    {
        *text = null;
        return status == 12345 ? 1 : 0;
    }

    [UnmanagedCallersOnly]
    private static int GetCount(int* count)
    {
        *count = DeviceCount;
        return Write("cuDeviceGetCount");
    }

    [UnmanagedCallersOnly]
    private static int GetDevice(int* device, int ordinal)
    {
        // A device's handle need not be its ordinal.
        *device = ordinal + 40;
        return Write("cuDeviceGet", $"{ordinal}");
    }

    [UnmanagedCallersOnly]
    private static int GetName(byte* name, int length, int device)
    {
        ReadOnlySpan<byte> text = "Scripted GPU\0"u8;
        text[..Math.Min(length, text.Length)].CopyTo(new Span<byte>(name, length));
        return Write("cuDeviceGetName", $"{device}");
    }

    [UnmanagedCallersOnly]
    private static int GetAttribute(int* value, int attribute, int device)
    {
        *value = attribute switch { 1 => MaxBlockThreads, 5 => MaxGridX, 6 => MaxGridY, 8 => MaxSharedBytes, _ => attribute * 1000 };
        return Write("cuDeviceGetAttribute", $"{attribute}, {device}");
    }

    [UnmanagedCallersOnly]
    private static int GetTotal(nuint* bytes, int device)
    {
        *bytes = unchecked((nuint)(80L << 30));
        return Write("cuDeviceTotalMem_v2", $"{device}");
    }

    [UnmanagedCallersOnly]
    private static int GetUuid(byte* uuid, int device)
    {
        for (int i = 0; i < 16; i++)
        {
            uuid[i] = (byte)(0x10 + i);
        }

        return Write("cuDeviceGetUuid_v2", $"{device}");
    }

    [UnmanagedCallersOnly]
    private static int Retain(nint* context, int device)
    {
        *context = Context;
        return Write("cuDevicePrimaryCtxRetain", $"{device}");
    }

    [UnmanagedCallersOnly]
    private static int Release(int device) => Write("cuDevicePrimaryCtxRelease_v2", $"{device}");

    [UnmanagedCallersOnly]
    private static int Push(nint context)
    {
        lock (Gate)
        {
            int status = context == Context ? Answers.GetValueOrDefault("cuCtxPushCurrent_v2") : CudaStatus.InvalidContext;
            Depth += status == 0 ? 1 : 0;
            return status;
        }
    }

    [UnmanagedCallersOnly]
    private static int Pop(nint* context)
    {
        lock (Gate)
        {
            *context = Context;
            Depth--;
            return Answers.GetValueOrDefault("cuCtxPopCurrent_v2");
        }
    }

    [UnmanagedCallersOnly]
    private static int CurrentDevice(int* device)
    {
        *device = 40;
        return Write("cuCtxGetDevice");
    }

    [UnmanagedCallersOnly]
    private static int MemoryInfo(nuint* free, nuint* total)
    {
        (*free, *total) = (12, 34);
        return Write("cuMemGetInfo_v2");
    }

    [UnmanagedCallersOnly]
    private static int Allocate(nint* address, nuint bytes) => Make(address, "cuMemAlloc_v2", $"{bytes}");

    [UnmanagedCallersOnly]
    private static int FreeMemory(nint address) => Write("cuMemFree_v2", $"0x{address:x} at depth {Depth}");

    [UnmanagedCallersOnly]
    private static int AllocateHost(nint* address, nuint bytes, uint flags) => Make(address, "cuMemHostAlloc", $"{bytes}, {flags}");

    [UnmanagedCallersOnly]
    private static int FreeHost(nint address) => Write("cuMemFreeHost", $"0x{address:x}");

    [UnmanagedCallersOnly]
    private static int CopyToDevice(nint destination, nint source, nuint bytes, nint stream) =>
        Write("cuMemcpyHtoDAsync_v2", $"0x{destination:x}, {(source != 0 ? "host" : "null")}, {bytes}, 0x{stream:x}");

    [UnmanagedCallersOnly]
    private static int CopyToHost(nint destination, nint source, nuint bytes, nint stream) =>
        Write("cuMemcpyDtoHAsync_v2", $"{(destination != 0 ? "host" : "null")}, 0x{source:x}, {bytes}, 0x{stream:x}");

    [UnmanagedCallersOnly]
    private static int CopyOnDevice(nint destination, nint source, nuint bytes, nint stream) =>
        Write("cuMemcpyDtoDAsync_v2", $"0x{destination:x}, 0x{source:x}, {bytes}, 0x{stream:x}");

    [UnmanagedCallersOnly]
    private static int Fill(nint destination, byte value, nuint count, nint stream) =>
        Write("cuMemsetD8Async", $"0x{destination:x}, {value}, {count}, 0x{stream:x}");

    [UnmanagedCallersOnly]
    private static int GetPointerAttribute(nint value, int attribute, nint address)
    {
        int status = Write("cuPointerGetAttribute", $"{attribute}, 0x{address:x}");
        long answer = PointerAttributes.GetValueOrDefault(attribute);
        if (attribute is 2 or 9 or 13)
        {
            *(int*)value = (int)answer;
        }
        else
        {
            *(long*)value = answer;
        }

        return status;
    }

    [UnmanagedCallersOnly]
    private static int CreateStream(nint* stream, uint flags) => Make(stream, "cuStreamCreate", $"{flags}");

    [UnmanagedCallersOnly]
    private static int DestroyStream(nint stream) => Write("cuStreamDestroy_v2", $"0x{stream:x}");

    [UnmanagedCallersOnly]
    private static int QueryStream(nint stream) => Write("cuStreamQuery", $"0x{stream:x}");

    [UnmanagedCallersOnly]
    private static int Wait(nint stream, nint awaited, uint flags) => Write("cuStreamWaitEvent", $"0x{stream:x}, 0x{awaited:x}, {flags}");

    // A stream above 0xffff is another context's.
    [UnmanagedCallersOnly]
    private static int GetStreamContext(nint stream, nint* context)
    {
        *context = stream > 0xffff ? Context + 1 : Context;
        return Write("cuStreamGetCtx", $"0x{stream:x}");
    }

    // Answers name the status of the capture here: 0 none, 1 active, 2 spoilt.
    [UnmanagedCallersOnly]
    private static int IsCapturing(nint stream, int* status)
    {
        *status = Write("cuStreamIsCapturing", $"0x{stream:x}");
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int BeginCapture(nint stream, int mode) => Write("cuStreamBeginCapture_v2", $"0x{stream:x}, {mode}");

    [UnmanagedCallersOnly]
    private static int EndCapture(nint stream, nint* graph) => Make(graph, "cuStreamEndCapture", $"0x{stream:x}");

    [UnmanagedCallersOnly]
    private static int SynchronizeStream(nint stream) => Write("cuStreamSynchronize", $"0x{stream:x}");

    [UnmanagedCallersOnly]
    private static int CreateEvent(nint* made, uint flags) => Make(made, "cuEventCreate", $"{flags}");

    [UnmanagedCallersOnly]
    private static int DestroyEvent(nint made) => Write("cuEventDestroy_v2", $"0x{made:x}");

    [UnmanagedCallersOnly]
    private static int Record(nint made, nint stream) => Write("cuEventRecord", $"0x{made:x}, 0x{stream:x}");

    [UnmanagedCallersOnly]
    private static int QueryEvent(nint made) => Write("cuEventQuery", $"0x{made:x}");

    [UnmanagedCallersOnly]
    private static int Elapsed(float* milliseconds, nint start, nint end)
    {
        *milliseconds = 1.5f;
        return Write("cuEventElapsedTime", $"0x{start:x}, 0x{end:x}");
    }

    [UnmanagedCallersOnly]
    private static int LoadModule(nint* module, byte* image) => Make(module, "cuModuleLoadData", $"{Marshal.PtrToStringUTF8((nint)image)}");

    [UnmanagedCallersOnly]
    private static int UnloadModule(nint module) => Write("cuModuleUnload", $"0x{module:x}");

    [UnmanagedCallersOnly]
    private static int GetFunction(nint* function, nint module, byte* name) =>
        Make(function, "cuModuleGetFunction", $"0x{module:x}, {Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(name))}");

    [UnmanagedCallersOnly]
    private static int LaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint shared, nint stream, int** parameters, void** extra) =>
        Write(
            "cuLaunchKernel",
            $"0x{function:x}, {gridX}, {gridY}, {gridZ}, {blockX}, {blockY}, {blockZ}, {shared}, 0x{stream:x}, first {*parameters[0]}, {(nint)extra}");

    [UnmanagedCallersOnly]
    private static int Instantiate(nint* executable, nint graph, ulong flags) => Make(executable, "cuGraphInstantiateWithFlags", $"0x{graph:x}, {flags}");

    [UnmanagedCallersOnly]
    private static int LaunchGraph(nint executable, nint stream) => Write("cuGraphLaunch", $"0x{executable:x}, 0x{stream:x}");

    [UnmanagedCallersOnly]
    private static int DestroyExecutable(nint executable) => Write("cuGraphExecDestroy", $"0x{executable:x}");

    [UnmanagedCallersOnly]
    private static int DestroyGraph(nint graph) => Write("cuGraphDestroy", $"0x{graph:x}");
}
