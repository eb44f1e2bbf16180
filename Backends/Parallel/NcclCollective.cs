using System.Runtime.InteropServices;
using NativeFfn.Bindings;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Nccl;

namespace NativeFfn.Backends.Parallel;

/// <summary>What NCCL needs of a process.</summary>
/// <param name="Library">Loads NCCL.</param>
/// <param name="Driver">Starts the driver.</param>
internal sealed record NcclSource(Func<NcclLibrary> Library, Func<CudaDriver> Driver);

/// <summary>
/// Ranks with a GPU each: rows go between the GPUs by NCCL, in the order of one stream, and everything else by the ranks beneath, such as
/// those of an MPI job.
/// </summary>
/// <remarks>
/// NCCL never holds the thread: every call and what it queued is asked after, beside what the ranks beneath know, until the time limit. A
/// group that fails aborts NCCL, on a thread of its own, as that may last; memory that a GPU may still write to is kept until it has ended.
/// </remarks>
internal sealed unsafe class NcclCollective : ICollective
{
    // How long the end waits for the other ranks to end too, before NCCL is torn down without them.
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(10);

    // What an abort takes where no rank is waited for.
    private static readonly TimeSpan AbortLimit = TimeSpan.FromSeconds(1);

    private readonly ICollective _control;
    private readonly NcclLibrary _library;
    private readonly NcclCommunicator _communicator;
    private readonly CudaEvent _done;
    private readonly Stack<IDisposable> _owned = new();
    private Thread? _abort;

    private NcclCollective(ICollective control, NcclLibrary library, CudaContext context)
    {
        (_control, _library, Context) = (control, library, context);
        _owned.Push(context);
        try
        {
            Stream = Own(context.CreateStream());
            _done = Own(context.CreateEvent(timing: false));
            NcclUniqueId id = control.Rank == 0 ? library.CreateUniqueId() : default;
            control.Broadcast(MemoryMarshal.AsBytes(new Span<NcclUniqueId>(ref id)), root: 0);
            _communicator = Own(library.Join(context, control.Ranks, id, control.Rank));
            using CudaContext.Scope scope = context.Enter();
            WaitReady(control.TimeLimit);
        }
        catch (Exception failure)
        {
            CollectiveFailedException told = Break(failure);
            End();
            throw told;
        }
    }

    /// <inheritdoc/>
    public string Description => $"NCCL {_library.Version} ({_library.Path}) between GPUs, {_control.Description} for the rest";

    /// <inheritdoc/>
    public int Rank => _control.Rank;

    /// <inheritdoc/>
    public int Ranks => _control.Ranks;

    /// <inheritdoc/>
    public TimeSpan TimeLimit => _control.TimeLimit;

    /// <inheritdoc/>
    public string? Failure => _control.Failure;

    /// <summary>This rank's GPU.</summary>
    public CudaContext Context { get; }

    /// <summary>Where rows go between ranks. For one thread at a time, in the context.</summary>
    public CudaStream Stream { get; }

    /// <summary>Whether nothing of the group runs on the GPU any more: known once this was disposed.</summary>
    public bool IsOver { get; private set; }

    /// <summary>Joins NCCL's ranks where all can.</summary>
    /// <param name="control">The ranks beneath; owned by what is returned.</param>
    /// <param name="device">This rank's GPU, by CUDA's number.</param>
    /// <param name="given">The application's context; 0 where it has given none.</param>
    /// <param name="source">The libraries.</param>
    /// <param name="problem">Why not all can, on every rank; null where they have joined.</param>
    /// <exception cref="CollectiveFailedException">NCCL refuses, or a rank did not come in time.</exception>
    public static NcclCollective? TryJoin(ICollective control, int device, nint given, NcclSource source, out string? problem)
    {
        NcclLibrary? library = null;
        CudaContext? context = null;
        string own;
        try
        {
            library = source.Library();
            CudaDriver driver = source.Driver();
            context = CudaContext.RetainPrimary(driver, driver.Device(device));
            problem = given == 0 || given == context.Handle ? null
                : "CudaContext is a context of the application's own, and NCCL works in the device's primary one.";
            own = $"{library.Version} {context.Device.Uuid}";
        }
        catch (Exception failure) when (failure is NativeLibraryException or CudaException or NcclException)
        {
            (problem, own) = (failure.Message, string.Empty);
        }

        try
        {
            string[] all = GroupChecks.Gather(control, problem is null ? own : $"!{problem}");
            problem ??= WhyNot(all);
        }
        catch
        {
            context?.Dispose();
            throw;
        }

        if (problem is null)
        {
            return new NcclCollective(control, library!, context!);
        }

        context?.Dispose();
        return null;
    }

    /// <summary>Takes over what uses the stream: it is disposed, the last first, when nothing runs on the GPU any more.</summary>
    public T Own<T>(T used)
        where T : IDisposable
    {
        _owned.Push(used);
        return used;
    }

    /// <inheritdoc/>
    public void Keep(IDisposable memory) => _control.Keep(memory);

    /// <inheritdoc/>
    public void AllReduce(Span<float> values) => _control.AllReduce(values);

    /// <inheritdoc/>
    public void Broadcast(Span<byte> bytes, int root, TimeSpan? timeLimit = null) => _control.Broadcast(bytes, root, timeLimit);

    /// <inheritdoc/>
    public void AllToAll(ReadOnlySpan<byte> sent, ReadOnlySpan<int> sentBytes, Span<byte> received, ReadOnlySpan<int> receivedBytes) =>
        _control.AllToAll(sent, sentBytes, received, receivedBytes);

    /// <inheritdoc/>
    public void StartAllReduce(float* values, int length) => _control.StartAllReduce(values, length);

    /// <inheritdoc/>
    public void StartBroadcast(float* values, int length, int root) => _control.StartBroadcast(values, length, root);

    /// <inheritdoc/>
    public void Finish() => _control.Finish();

    /// <inheritdoc/>
    public void Barrier(TimeSpan? timeLimit = null) => _control.Barrier(timeLimit);

    /// <inheritdoc/>
    public void Abort(string reason) => _control.Abort(reason);

    /// <summary>Queues rows = Σ over ranks of their rows.</summary>
    /// <param name="rows">Of float32, as many on every rank.</param>
    public void QueueAllReduce(DeviceRegion rows)
    {
        _communicator.AllReduce(rows, Stream);
        WaitReady(TimeLimit);
    }

    /// <summary>Queues the copying of a rank's rows to all others.</summary>
    /// <param name="rows">Of float32, as many on every rank.</param>
    /// <param name="root">The rank that has them.</param>
    public void QueueBroadcast(DeviceRegion rows, int root)
    {
        _communicator.Broadcast(rows, root, Stream);
        WaitReady(TimeLimit);
    }

    /// <summary>Waits for everything that was queued on the stream.</summary>
    public void Wait()
    {
        Stream.Record(_done);
        var wait = new RankWait(TimeLimit);
        while (!_done.IsDone)
        {
            // What fails on the device is noted there, while the event never comes.
            _ = _communicator.IsReady;
            Pause(ref wait, TimeLimit);
        }
    }

    /// <summary>Ends the group for what failed in an operation, with NCCL's ranks; what is thrown in its place.</summary>
    public CollectiveFailedException Break(Exception failure)
    {
        if (_control.Failure is null)
        {
            _control.Abort(failure.Message);
        }

        BeginAbort();
        return failure as CollectiveFailedException ?? new CollectiveFailedException(_control.Failure!, failure);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_control.Failure is null && _abort is null)
        {
            Leave();
        }
        else
        {
            BeginAbort();
        }

        End();
        _control.Dispose();
    }

    private static string? WhyNot(string[] all)
    {
        for (int rank = 0; rank < all.Length; rank++)
        {
            if (all[rank].StartsWith('!'))
            {
                return $"rank {rank}: {all[rank][1..]}";
            }

            string[] own = all[rank].Split(' ');
            string[] first = all[0].Split(' ');
            if (own[0] != first[0])
            {
                return $"rank {rank} has NCCL {own[0]}, and rank 0 has {first[0]}.";
            }

            int same = Array.FindIndex(all, 0, rank, other => other.EndsWith(own[1], StringComparison.Ordinal));
            if (same >= 0)
            {
                return $"ranks {same} and {rank} have the same GPU ({own[1]}), and NCCL takes one rank a GPU.";
            }
        }

        return null;
    }

    private void WaitReady(TimeSpan limit)
    {
        var wait = new RankWait(limit);
        while (!_communicator.IsReady)
        {
            Pause(ref wait, limit);
        }
    }

    private void Pause(ref RankWait wait, TimeSpan limit)
    {
        if (_control.Failure is { } failure)
        {
            throw new CollectiveFailedException(failure);
        }

        if (!wait.TryPause())
        {
            string late = RankWait.Late(Rank, limit);
            _control.Abort(late);
            throw new CollectiveFailedException(_control.Failure ?? late);
        }
    }

    // All ranks leave together, as one may still read what another has sent; one that does not is not waited for long.
    private void Leave()
    {
        try
        {
            using CudaContext.Scope scope = Context.Enter();
            _communicator.Finish();
            var wait = new RankWait(TimeLimit < EndLimit ? TimeLimit : EndLimit);
            while (!_communicator.IsReady && _control.Failure is null && wait.TryPause())
            {
            }
        }
        catch (Exception failure) when (failure is NcclException or CudaException)
        {
            // Torn down instead, where the first failure of all is told if there was one.
        }

        BeginAbort();
    }

    // The communicator's end, which is an abort where it has not left. It has to come before anything that waits for the device.
    private void BeginAbort()
    {
        if (_abort is null)
        {
            _abort = new Thread(() => _communicator?.Dispose()) { IsBackground = true, Name = "NativeFfn NCCL" };
            _abort.Start();
        }
    }

    // What is owned stays where the end does not come: the thread that waits for it holds it.
    private void End()
    {
        IsOver = _abort?.Join(TimeLimit + AbortLimit) ?? true;
        while (IsOver && _owned.TryPop(out IDisposable? owned))
        {
            owned.Dispose();
        }
    }
}
