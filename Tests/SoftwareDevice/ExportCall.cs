namespace NativeFfn.Tests.Software;

/// <summary>What every function of the libraries does around its own work.</summary>
internal static class ExportCall
{
    /// <summary>A library's answers to what is the same in all of them.</summary>
    /// <param name="Unexpected">To a mistake of the software device itself.</param>
    /// <param name="Gone">To a call after the device's end.</param>
    /// <param name="Lost">To a call, by its name, in a context that was lost with a status.</param>
    public readonly record struct Library(int Unexpected, int Gone, Func<string, int, int> Lost);

    // The calls that need no context, and so say nothing about a lost one.
    private static readonly string[] WithoutContext = ["cuInit", "cuDriverGetVersion", "cuDevice", "cuCtxGetCurrent"];

    private static readonly string[] WorkingAnyway =
        ["Free", "Destroy", "Release", "Unload", "PopCurrent", "EndCapture", "Synchronize", "Abort"];

    public static readonly Library Driver = new(CudaResult.Unknown, CudaResult.Deinitialized, DriverLost);

    public static readonly Library CuBlasLt = new(CublasResult.InternalError, CublasResult.NotInitialized, CuBlasLtLost);

    public static readonly Library Nvrtc = new(NvrtcResult.InternalError, NvrtcResult.InternalError, static (_, _) => 0);

    public static readonly Library Nccl = new(
        NcclResult.InternalError, NcclResult.UnhandledCudaError, static (name, _) =>
            name is "ncclAllReduce" or "ncclBroadcast" or "ncclCommInitRankConfig" ? NcclResult.UnhandledCudaError : 0);

    // A call that waits for other threads' may wait as long as any test.
    private static readonly TimeSpan WaitLimit = TimeSpan.FromSeconds(60);

    /// <summary>Runs a function's work under the device's lock; no exception leaves it.</summary>
    /// <remarks>The arguments come as a tuple and the work is static, so that a call makes no objects of its own.</remarks>
    public static int Run<T>(
        in Library library, string name, T arguments, Func<SoftwareDevice, T, int> work, bool needsStart = false)
    {
        if (SoftwareDevice.Current is not { } device)
        {
            return library.Gone;
        }

        long start = Environment.TickCount64;
        bool again = false;
        while (true)
        {
            if (TryRun(library, device, name, arguments, work, needsStart, again) is { } status)
            {
                return status;
            }

            again = true;
            if (Environment.TickCount64 - start > WaitLimit.TotalMilliseconds)
            {
                using FairGate.Scope scope = device.Gate.EnterScope();
                device.Violate($"{name} waits for ever.");
                return library.Unexpected;
            }

            Thread.Sleep(1);
        }
    }

    // Null where it waits for others' calls, who need the gate.
    private static int? TryRun<T>(
        in Library library, SoftwareDevice device, string name, T arguments, Func<SoftwareDevice, T, int> work, bool needsStart, bool again)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        using (device.Gate.EnterScope())
        {
            try
            {
                if (again)
                {
                    return work(device, arguments);
                }

                device.Log?.Add(name, arguments);
                return Run(library, device, name, arguments, work, needsStart);
            }
            catch (StillWaiting)
            {
                return null;
            }
            catch (NativeFailure failure)
            {
                if (failure.Violation is not null)
                {
                    device.Violate($"{name}: {failure.Violation}");
                }

                return failure.Status;
            }
            catch (Exception failure)
            {
                device.Violate($"{name}: the software device itself failed. {failure}");
                return library.Unexpected;
            }
            finally
            {
                device.CountOwnBytes(GC.GetAllocatedBytesForCurrentThread() - before);
            }
        }
    }

    private static int Run<T>(
        in Library library, SoftwareDevice device, string name, T arguments, Func<SoftwareDevice, T, int> work, bool needsStart)
    {
        bool worksAnyway = WorksAnyway(name);
        bool isDriver = ReferenceEquals(library.Lost, Driver.Lost);
        if (device.Failures.Count(name, isDriver ? null : library.Unexpected) is { } ordered)
        {
            device.SpoilCapture(name == "cuStreamEndCapture");
            _ = worksAnyway ? work(device, arguments) : 0;
            if (isDriver && CudaResult.IsSticky(ordered) && device.Contexts.TryPeek(out SoftwareContext? current))
            {
                current.Lost = ordered;
            }

            return ordered;
        }

        if (needsStart && !device.IsInitialized)
        {
            throw new NativeFailure(CudaResult.NotInitialized, $"{name} before cuInit.");
        }

        int lost = Lost(library, device, name);
        if (lost == 0 || worksAnyway)
        {
            int status = work(device, arguments);

            // Work that ran inside this call may have taken the context away.
            lost = lost == 0 && status == 0 ? Lost(library, device, name) : lost;
            return lost == 0 ? status : lost;
        }

        return lost;
    }

    private static int Lost(in Library library, SoftwareDevice device, string name) =>
        device.Contexts.TryPeek(out SoftwareContext? current) && current.Lost != 0 ? library.Lost(name, current.Lost) : 0;

    // What frees, ends or waits has done so even where it reports an error, which is then one of earlier work.
    private static bool WorksAnyway(string name) => Array.Exists(WorkingAnyway, part => name.Contains(part, StringComparison.Ordinal));

    private static int DriverLost(string name, int status) =>
        Array.Exists(WithoutContext, prefix => name.StartsWith(prefix, StringComparison.Ordinal)) ? 0 : status;

    private static int CuBlasLtLost(string name, int status) => name switch
    {
        "cublasLtCreate" => CublasResult.NotInitialized,
        "cublasLtMatmul" => CublasResult.ExecutionFailed,
        _ => 0,
    };
}
