using NativeFfn.Backends.CuBlas;
using NativeFfn.Backends.Parallel;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Nccl;
using NUnit.Framework;

namespace NativeFfn.Tests.Software;

/// <summary>
/// A CUDA device in C#, not a GPU: the driver, cuBLASLt and NVRTC as functions with their C signatures, strict about everything that a
/// caller may get wrong. What it computes says nothing about cuBLAS.
/// </summary>
/// <remarks>One is current at a time; calls of several threads are taken one after the other.</remarks>
internal sealed class SoftwareDevice : IDisposable
{
    private static SoftwareDevice? s_current;
    private static int s_generation;

    private readonly Dictionary<int, SoftwareContext> _primary = [];
    private readonly ThreadLocal<Stack<SoftwareContext>> _contexts = new(static () => new Stack<SoftwareContext>(), trackAllValues: true);
    private readonly List<SoftwareContext> _all = [];
    private readonly List<string> _violations = [];
    private readonly List<Launch> _launches = [];
    private readonly List<Launch> _executed = [];

    private SoftwareDevice(SoftwareDeviceOptions options)
    {
        Options = options;
        Handles = new HandleTable();
        Memory = new DeviceMemoryBook(this);
        Pinned = new PinnedMemoryBook(this);
        Milliseconds = options.Milliseconds;
        Unsupported = options.Unsupported;
        Driver = new SoftwareSymbols("software libcuda", typeof(DriverExports), options.MissingFunctions);
        CuBlasLt = new SoftwareSymbols("software libcublasLt", typeof(CuBlasLtExports), options.MissingFunctions);
        Nvrtc = new SoftwareSymbols("software libnvrtc", typeof(NvrtcExports), options.MissingFunctions);
        NcclSymbols = new SoftwareSymbols("software libnccl", typeof(NcclExports), options.MissingFunctions);
    }

    /// <summary>The device that calls go to.</summary>
    public static SoftwareDevice? Current => Volatile.Read(ref s_current);

    public static string Name => "NativeFfn software device (not a GPU)";

    public SoftwareDeviceOptions Options { get; }

    public SoftwareSymbols Driver { get; }

    public SoftwareSymbols CuBlasLt { get; }

    public SoftwareSymbols Nvrtc { get; }

    public SoftwareSymbols NcclSymbols { get; }

    /// <summary>What NCCL's ranks do with each other.</summary>
    public SoftwareNccl Nccl { get; } = new();

    /// <summary>How many software devices this process had, with this one.</summary>
    public int Generation { get; } = Interlocked.Increment(ref s_generation);

    /// <summary>Held by every call.</summary>
    public FairGate Gate { get; } = new();

    public HandleTable Handles { get; }

    public DeviceMemoryBook Memory { get; }

    public PinnedMemoryBook Pinned { get; }

    public FailurePlan Failures { get; } = new();

    /// <summary>The calls since <see cref="StartLog"/>; null before.</summary>
    public CallLog? Log { get; private set; }

    public bool IsInitialized { get; set; }

    /// <summary>What a launch takes, in virtual milliseconds.</summary>
    public Func<Launch, double> Milliseconds { get; set; }

    /// <summary>Products that cuBLASLt refuses.</summary>
    public Func<MatmulLaunch, bool> Unsupported { get; set; }

    /// <summary>The state that the heuristic and the check of an algorithm report for it, by its number.</summary>
    public Func<int, int> AlgorithmState { get; set; } = static _ => CublasResult.Success;

    /// <summary>
    /// Whether work runs when it is queued; else when something waits for it. A correct program computes the same either way.
    /// </summary>
    public bool RunsAtOnce { get; set; }

    /// <summary>Counted calls so far.</summary>
    public int Calls => Locked(() => Failures.Calls);

    /// <summary>Managed bytes that the device itself allocated on the calling threads, to be taken off what a test measures.</summary>
    public long OwnAllocatedBytes { get; private set; }

    /// <summary>What was queued or captured, in the order of the calls.</summary>
    public Launch[] Launches => Locked(() => _launches.ToArray());

    /// <summary>What ran, in the order in which it did.</summary>
    public Launch[] Executed => Locked(() => _executed.ToArray());

    /// <summary>What no correct program does, in words.</summary>
    public string[] Violations => Locked(() => _violations.ToArray());

    /// <summary>Device memory in use, over all devices; a test's own included.</summary>
    public long DeviceBytes => Locked(() => Memory.Live.Sum(static allocation => allocation.Bytes));

    public long PinnedBytes => Locked(() => Pinned.Live.Sum(static allocation => allocation.Bytes));

    /// <summary>Contexts of the calling thread, the current one on top.</summary>
    public Stack<SoftwareContext> Contexts => _contexts.Value!;

    /// <summary>Every context that was made.</summary>
    public IReadOnlyList<SoftwareContext> AllContexts => _all;

    /// <summary>Makes a new device the current one, until it is disposed.</summary>
    public static SoftwareDevice Start(SoftwareDeviceOptions? options = null)
    {
        var device = new SoftwareDevice(options ?? new SoftwareDeviceOptions());
        return Interlocked.CompareExchange(ref s_current, device, null) is null
            ? device
            : throw new InvalidOperationException("Another software device is still in use; tests with one run one after the other.");
    }

    /// <summary>The device for an engine's options.</summary>
    public CudaSource AsSource() => new(() => new CudaLibraries(Driver, CuBlasLt, Nvrtc));

    /// <summary>NCCL for the ranks of a test.</summary>
    public NcclSource AsNccl() => new(() => new NcclLibrary(NcclSymbols), () => CudaDriver.Start(Driver));

    /// <summary>
    /// Lets the n-th counted call from now on fail, 1 being the next one: with this CUresult if it is the driver's, and with an internal
    /// error if it is another library's.
    /// </summary>
    public void FailCall(int n, int status) => Locked(() => Failures.Add(null, Failures.Calls + n, status));

    /// <summary>Lets the n-th call of one function from now on fail.</summary>
    public void FailCall(string function, int n, int status) =>
        Locked(() => Failures.Add(function, Failures.CallsOf(function) + n, status));

    /// <summary>Calls succeed again.</summary>
    public void StopFailing() => Locked(Failures.Clear);

    /// <summary>Writes down all calls from now on, and forgets those before.</summary>
    public void StartLog() => Locked(() => Log = new CallLog(Handles));

    /// <summary>Forgets what was launched and run so far.</summary>
    public void ClearLaunches() => Locked(() =>
    {
        _launches.Clear();
        _executed.Clear();
    });

    /// <summary>The violations so far, which are forgotten: for tests of violations.</summary>
    public string[] TakeViolations() => Locked(() =>
    {
        string[] taken = [.. _violations];
        _violations.Clear();
        return taken;
    });

    /// <summary>What the product still holds, in words. Memory of a context that was lost went with it.</summary>
    public string[] Leaks() => Locked(() =>
    {
        var leaks = new List<string>();
        leaks.AddRange(
            Memory.Live.Where(static one => !one.IsForeign && one.Context!.Lost == 0).Select(static one => $"{one} of device memory"));
        leaks.AddRange(Pinned.Live.Where(static one => one.Context!.Lost == 0).Select(static one => $"{one} of pinned memory"));
        leaks.AddRange(Handles.Live.Select(Leaked).OfType<string>());
        leaks.AddRange(
            _contexts.Values.Where(static stack => stack.Count > 0)
                .Select(static stack => $"{stack.Count} contexts left on a thread's stack"));
        return leaks.ToArray();
    });

    /// <summary>Runs what is still queued and asserts that nothing was done wrong and nothing is left.</summary>
    public void AssertClean()
    {
        RunEverything();
        Assert.Multiple(() =>
        {
            Assert.That(Violations, Is.Empty, "violations");
            Assert.That(Leaks(), Is.Empty, "leaks");
        });
    }

    /// <summary>Asserts that nothing was done wrong so far; things may be in use.</summary>
    public void AssertNoViolations() => Assert.That(Violations, Is.Empty, "violations");

    public void Dispose()
    {
        using (Gate.EnterScope())
        {
            Interlocked.CompareExchange(ref s_current, null, this);
            Pinned.Abandon();
            foreach (Allocation allocation in Memory.Live.ToArray())
            {
                allocation.Free();
            }
        }
    }

    public void Violate(string text) => _violations.Add(text);

    public void LogLaunch(Launch launch) => _launches.Add(launch);

    public void LogExecution(Launch launch) => _executed.Add(launch);

    public void CountOwnBytes(long bytes) => OwnAllocatedBytes += bytes;

    /// <summary>The primary context of a device, made where there is none.</summary>
    public SoftwareContext Primary(int ordinal)
    {
        if (!_primary.TryGetValue(ordinal, out SoftwareContext? context))
        {
            context = AddContext(ordinal, isForeign: false);
            _primary.Add(ordinal, context);
        }

        return context;
    }

    public bool HasPrimary(int ordinal) => _primary.ContainsKey(ordinal);

    public SoftwareContext AddContext(int ordinal, bool isForeign)
    {
        var context = new SoftwareContext(this, ordinal, isForeign);
        _all.Add(context);
        return context;
    }

    /// <summary>Takes a context away with everything in it.</summary>
    public void Destroy(SoftwareContext context)
    {
        foreach (SoftwareStream stream in context.Streams)
        {
            stream.RunAll(this);
        }

        foreach (Allocation allocation in Memory.Live.Where(one => one.Context == context).ToArray())
        {
            if (context.Lost == 0 && !allocation.IsForeign)
            {
                Violate($"{allocation} of device memory was left when its context went.");
            }

            Memory.Release(allocation);
        }

        context.IsDestroyed = true;
        Handles.Remove(context.Handle);
        _primary.Remove(context.Ordinal);
    }

    /// <summary>The context that a call works in.</summary>
    public SoftwareContext CurrentContext()
    {
        if (!Contexts.TryPeek(out SoftwareContext? context))
        {
            throw new NativeFailure(CudaResult.InvalidContext, "A call needs a context and the thread has none.");
        }

        return context.IsDestroyed
            ? throw new NativeFailure(CudaResult.ContextIsDestroyed, "A call in a context that was destroyed.")
            : context;
    }

    /// <summary>A copy or another work of a stream that still waits and touches this pinned memory.</summary>
    public Operation? PendingUse(Allocation pinned) =>
        _all.SelectMany(static context => context.Streams)
            .SelectMany(static stream => stream.Pending)
            .FirstOrDefault(one => one.Uses(pinned));

    /// <summary>Lets the captures of the calling thread end without a graph.</summary>
    public void SpoilCapture(bool isEnded)
    {
        foreach (SoftwareStream stream in _all.SelectMany(static context => context.Streams))
        {
            if (isEnded && stream.Capture is { } capture && capture.Thread == Thread.CurrentThread)
            {
                capture.IsInvalid = true;
            }
        }
    }

    public void RunEverything()
    {
        using (Gate.EnterScope())
        {
            foreach (SoftwareStream stream in _all.SelectMany(static context => context.Streams).ToArray())
            {
                if (!stream.RunAll(this))
                {
                    Violate($"{stream.Pending.First()} waits for other ranks for ever.");
                }
            }

            foreach (Allocation allocation in Memory.Live.Concat(Pinned.Live).Where(static one => !one.GuardsAreIntact))
            {
                Violate($"The guard beside {allocation} was overwritten.");
            }
        }
    }

    private static string? Leaked(object thing) => thing switch
    {
        SoftwareContext { IsForeign: false, Lost: 0 } context =>
            $"the primary context of device {context.Ordinal}, retained {context.Retained} times",
        SoftwareContext or SoftwareFunction => null,
        SoftwareStream { IsForeign: true } => null,
        SoftwareStream { Context.Lost: not 0 } => null,
        SoftwareEvent { Context.Lost: not 0 } => null,
        SoftwareModule { Context.Lost: not 0 } => null,
        SoftwareGraph { Context.Lost: not 0 } => null,
        SoftwareGraphExec { Context.Lost: not 0 } => null,
        SoftwareCublasHandle { Context.Lost: not 0 } => null,
        SoftwareCommunicator { Context.Lost: not 0 } => null,
        _ => thing.GetType().Name.Replace("Software", "a ", StringComparison.Ordinal),
    };

    private void Locked(Action action)
    {
        using (Gate.EnterScope())
        {
            action();
        }
    }

    private T Locked<T>(Func<T> function)
    {
        using (Gate.EnterScope())
        {
            return function();
        }
    }
}
