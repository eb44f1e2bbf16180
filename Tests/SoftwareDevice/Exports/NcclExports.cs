using System.Runtime.InteropServices;
using NativeFfn.Bindings.Nccl;

namespace NativeFfn.Tests.Software;

/// <summary>libnccl's functions, with their C signatures, for communicators whose calls do not wait; no NCCL.</summary>
internal static unsafe class NcclExports
{
    // NCCL_API_MAGIC, NCCL_VERSION(2, 14, 0), ncclFloat32 and ncclSum of nccl.h.
    private const uint Magic = 0xcafebeef;
    private const uint OldestConfig = 21400;
    private const int Float32 = 7;
    private const int Sum = 0;

    private static readonly nint StatusText = Marshal.StringToCoTaskMemUTF8("ncclResult_t of the software device");
    private static nint s_lastError;

    [UnmanagedCallersOnly]
    public static nint ncclGetErrorString(int status) => StatusText;

    [UnmanagedCallersOnly]
    public static nint ncclGetLastError(nint communicator)
    {
        // The text of a call stays until the next.
        nint text = Marshal.StringToCoTaskMemUTF8(SoftwareDevice.Current?.Nccl.LastError ?? string.Empty);
        Marshal.FreeCoTaskMem(Interlocked.Exchange(ref s_lastError, text));
        return text;
    }

    [UnmanagedCallersOnly]
    public static int ncclGetVersion(nint version) => Run(nameof(ncclGetVersion), version, static (device, version) =>
    {
        *(int*)version = device.Nccl.Version;
        return NcclResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int ncclGetUniqueId(nint id) => Run(nameof(ncclGetUniqueId), id, static (device, id) =>
    {
        new Span<byte>((void*)id, NcclUniqueId.Bytes).Clear();
        *(long*)id = device.Nccl.AddGroup();
        return NcclResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int ncclCommInitRankConfig(nint handle, int ranks, NcclUniqueId id, int rank, nint config) =>
        Run(nameof(ncclCommInitRankConfig), (handle, ranks, number: *(long*)id.Internal, rank, config), static (device, a) =>
        {
            // ncclConfig_t: size, magic, version, blocking.
            var config = (uint*)a.config;
            if (*(nuint*)config < 20 || config[2] != Magic || config[3] < OldestConfig || config[4] != 0)
            {
                throw new NativeFailure(NcclResult.InvalidArgument, "The configuration is none of a communicator whose calls do not wait.");
            }

            SoftwareContext context = Context(device);
            CommunicatorGroup group = device.Nccl.Find(a.number);
            var made = new SoftwareCommunicator(group, a.rank, context);
            group.Join(made, a.ranks);
            *(nint*)a.handle = device.Handles.Add(made);
            if (group.Members.FirstOrDefault(other => other is not null && other != made && other.Context == context) is { } same)
            {
                device.Nccl.LastError =
                    $"Duplicate GPU detected : rank {same.Rank} and rank {a.rank} both on CUDA device {context.Ordinal}";
                (same.AsyncError, made.AsyncError) = (NcclResult.InvalidUsage, NcclResult.InvalidUsage);
            }

            return NcclResult.InProgress;
        });

    [UnmanagedCallersOnly]
    public static int ncclCommGetAsyncError(nint handle, nint status) =>
        Run(nameof(ncclCommGetAsyncError), (handle, status), static (device, a) =>
        {
            SoftwareCommunicator asked = Find(device, a.handle);
            bool waits = asked.IsPending || !asked.Group.IsComplete
                || (asked.IsFinalizing && !asked.Group.Members.All(static other => other!.IsFinalizing && other.Outstanding == 0));
            asked.IsPending = false;
            if (asked.IsFinalizing && asked.Group.Members.Any(static other => other!.IsAborted))
            {
                asked.AsyncError = NcclResult.RemoteError;
            }

            *(int*)a.status = asked.AsyncError != 0 ? asked.AsyncError : waits ? NcclResult.InProgress : NcclResult.Success;
            return NcclResult.Success;
        });

    [UnmanagedCallersOnly]
    public static int ncclCommFinalize(nint handle) => Run(nameof(ncclCommFinalize), handle, static (device, handle) =>
    {
        SoftwareCommunicator finalized = Ready(device, handle);
        (finalized.IsFinalizing, finalized.IsPending) = (true, true);
        return NcclResult.InProgress;
    });

    [UnmanagedCallersOnly]
    public static int ncclCommDestroy(nint handle) => Run(nameof(ncclCommDestroy), handle, static (device, handle) =>
    {
        if (Ready(device, handle) is { IsFinalizing: false } or { Outstanding: > 0 })
        {
            device.Violate("A communicator was destroyed that had not left the others.");
        }

        device.Handles.Remove(handle);
        return NcclResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int ncclCommAbort(nint handle) => Run(nameof(ncclCommAbort), handle, static (device, handle) =>
    {
        SoftwareCommunicator aborted = Find(device, handle);
        if (device.Nccl.HoldsAborts)
        {
            throw new StillWaiting();
        }

        aborted.IsAborted = true;
        device.Handles.Remove(handle);
        return NcclResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int ncclAllReduce(nint send, nint receive, nuint count, int type, int operation, nint handle, nint stream) =>
        Run(nameof(ncclAllReduce), (send, receive, count, type, operation, handle, stream), static (device, a) => a.operation == Sum
            ? Queue(device, nameof(ncclAllReduce), a.send, a.receive, a.count, a.type, root: -1, a.handle, a.stream)
            : throw new NativeFailure(NcclResult.InvalidArgument, $"ncclRedOp_t {a.operation} is not known here."));

    [UnmanagedCallersOnly]
    public static int ncclBroadcast(nint send, nint receive, nuint count, int type, int root, nint handle, nint stream) =>
        Run(nameof(ncclBroadcast), (send, receive, count, type, root, handle, stream), static (device, a) =>
            Queue(device, nameof(ncclBroadcast), a.send, a.receive, a.count, a.type, a.root, a.handle, a.stream));

    private static int Queue(
        SoftwareDevice device, string name, nint send, nint receive, nuint count, int type, int root, nint handle, nint streamHandle)
    {
        SoftwareCommunicator communicator = Ready(device, handle);
        SoftwareStream stream = StreamQueue.Find(device, streamHandle);
        long bytes = checked((long)count * sizeof(float));
        if (type != Float32 || count == 0 || root >= communicator.Group.Members.Length)
        {
            throw new NativeFailure(NcclResult.InvalidArgument, $"{name} of {count} of type {type} from rank {root}.");
        }

        if (communicator.Context != Context(device) || stream.Context != communicator.Context || stream.Capture is not null)
        {
            throw new NativeFailure(NcclResult.InvalidUsage, $"{name} on a stream of another context, or one that is captured.");
        }

        // The library looks at both addresses when it is called.
        device.Memory.Resolve(send, bytes, communicator.Context.Ordinal, name, NcclResult.InvalidArgument);
        device.Memory.Resolve(receive, bytes, communicator.Context.Ordinal, name, NcclResult.InvalidArgument);
        communicator.Outstanding++;
        communicator.IsPending = true;
        StreamQueue.Put(device, stream, new CollectiveOperation(
            new Launch(streamHandle, LaunchKind.Collective, name) { Bytes = bytes }, communicator, send, receive, root));
        return NcclResult.InProgress;
    }

    private static SoftwareContext Context(SoftwareDevice device) =>
        device.Contexts.TryPeek(out SoftwareContext? context) && !context.IsForeign ? context
        : throw new NativeFailure(NcclResult.InvalidUsage, "NCCL was called without a device's primary context.");

    private static SoftwareCommunicator Ready(SoftwareDevice device, nint handle)
    {
        SoftwareCommunicator found = Find(device, handle);
        return found.IsPending || !found.Group.IsComplete
            ? throw new NativeFailure(NcclResult.InvalidArgument, "A communicator was used before its last call was done.")
            : found;
    }

    private static SoftwareCommunicator Find(SoftwareDevice device, nint handle) =>
        device.Handles.Get<SoftwareCommunicator>(handle, NcclResult.InvalidArgument, NcclResult.UnhandledCudaError);

    private static int Run<T>(string name, T arguments, Func<SoftwareDevice, T, int> work) =>
        ExportCall.Run(ExportCall.Nccl, name, arguments, work);
}
