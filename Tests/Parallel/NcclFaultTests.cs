using NativeFfn.Backends.Parallel;
using NativeFfn.Bindings;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Nccl;
using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Ranks;

/// <summary>Ranks on GPUs where NCCL, a GPU or another rank fails: one clear error on each, nothing hangs and nothing is left.</summary>
public sealed class NcclFaultTests : NcclTeam
{
    private const int UnhandledCudaError = NcclResult.UnhandledCudaError;

    private static readonly FfnSpec Spec = FfnSpec.Create(FfnKind.SwiGlu, 16, 24);
    private static readonly TimeSpan Short = TimeSpan.FromSeconds(1);

    [TestCase("ncclGetUniqueId", 1)]
    [TestCase("ncclCommInitRankConfig", 1)]
    [TestCase("ncclCommInitRankConfig", 2)]
    [TestCase("ncclCommGetAsyncError", 1)]
    [TestCase("ncclCommGetAsyncError", 5)]
    [TestCase("ncclBroadcast", 1)]
    [TestCase("ncclBroadcast", 4)]
    [TestCase("ncclAllReduce", 1)]
    [TestCase("ncclAllReduce", 2)]
    public void A_call_that_fails_ends_the_group_on_every_rank(string function, int call)
    {
        StartGpus(2).FailCall(function, call, UnhandledCudaError);
        Exception?[] problems = Try();
        Assert.That(problems, Is.All.TypeOf<CollectiveFailedException>().With.Message.Contains($"{function} failed: ncclResult_t of"));
        Assert.That(problems.Select(static problem => problem!.Message).Distinct().Count(), Is.EqualTo(1), "one error for all ranks");
    }

    [TestCase("ncclCommFinalize", 1)]
    [TestCase("ncclCommDestroy", 1)]
    [TestCase("ncclCommDestroy", 2)]
    public void A_failure_to_leave_is_nobodys(string function, int call)
    {
        StartGpus(2).FailCall(function, call, UnhandledCudaError);
        Assert.That(Try(), Is.All.Null);
    }

    [Test]
    public void An_abort_that_fails_changes_nothing()
    {
        SoftwareDevice gpus = StartGpus(2);
        gpus.FailCall("ncclAllReduce", 1, UnhandledCudaError);
        gpus.FailCall("ncclCommAbort", 1, UnhandledCudaError);
        Assert.That(Try(), Is.All.TypeOf<CollectiveFailedException>().With.Message.Contains("ncclAllReduce failed"));
    }

    [TestCase("cuEventRecord")]
    [TestCase("cuLaunchKernel")]
    [TestCase("cublasLtMatmul")]
    public void A_GPU_that_fails_between_takes_the_group_with_it(string function)
    {
        SoftwareDevice gpus = StartGpus(2);
        Exception?[] problems = Try(beforeForward: () => gpus.FailCall(function, 1, CudaResult.InvalidValue));
        Assert.That(problems, Has.Some.TypeOf<CollectiveFailedException>().With.Message.Contains($"{function} failed"));
        Assert.That(problems, Is.All.Not.Null);
    }

    [Test]
    public void What_NCCL_meets_while_nothing_is_called_ends_the_group([Values(0, 1)] int rank)
    {
        SoftwareDevice gpus = StartGpus(2);
        Exception?[] problems = Try(beforeForward: () => gpus.Nccl.Fail(rank, UnhandledCudaError));
        Assert.That(problems, Is.All.TypeOf<CollectiveFailedException>().With.Message.Contains("failed: ncclResult_t of"));
    }

    [Test]
    public void A_rank_that_is_stuck_is_waited_for_as_long_as_the_limit()
    {
        StartGpus(2);
        using var over = new ManualResetEventSlim();
        Exception?[] problems = RankTeam.Try(
            2,
            rank =>
            {
                using FfnEngine engine = FfnEngine.Create(OptionsOf(rank));
                using FfnLayer layer = engine.CreateLayer(Spec, RandomLayers.Gaussian(Spec, 58_000));
                if (rank.Rank == 1)
                {
                    // It gets the message, and goes no further.
                    rank.Broadcast(new byte[4 * sizeof(int)], root: 0);
                    over.Wait();
                    return;
                }

                try
                {
                    EngineTests.Forward(layer, FfnMode.Ffn, new float[16]);
                }
                finally
                {
                    over.Set();
                }
            },
            TimeSpan.FromSeconds(3));
        Assert.That(problems[0], Is.TypeOf<CollectiveFailedException>().With.Message.Contains("did not come to rank 0 within 3 s"));
        Assert.That(problems[1], Is.Null);
    }

    [Test]
    public void A_rank_that_does_not_join_is_waited_for_as_long_as_the_limit()
    {
        SoftwareDevice gpus = StartGpus(2);
        Exception?[] problems = RankTeam.Try(
            2,
            rank =>
            {
                if (rank.Rank == 1)
                {
                    GroupChecks.Gather(rank, "2.22.3 GPU-1");
                    rank.Broadcast(new byte[NcclUniqueId.Bytes], root: 0);
                    return;
                }

                NcclCollective.TryJoin(rank, 0, 0, gpus.AsNccl(), out _);
            },
            Short);
        Assert.That(problems[0], Is.TypeOf<CollectiveFailedException>().With.Message.Contains("did not come to rank 0 within 1 s"));
    }

    [Test]
    public void A_rank_that_ends_without_the_others_is_not_waited_for_long()
    {
        StartGpus(2);
        Exception?[] problems = RankTeam.Try(
            2,
            rank =>
            {
                NcclCollective joined = NcclCollective.TryJoin(rank, rank.Rank, 0, Device.AsNccl(), out _)!;
                if (rank.Rank == 1)
                {
                    Thread.Sleep(2 * Short);
                }

                joined.Dispose();
                Assert.That(joined.IsOver, Is.True);
            },
            Short);
        Assert.That(problems, Is.All.Null);
    }

    [Test]
    public void Memory_that_may_still_be_written_to_is_kept_where_an_abort_does_not_end()
    {
        // Apart from the others' device, as something is left on purpose.
        using SoftwareDevice gpus = SoftwareDevice.Start(Ada with { DeviceCount = 2 });
        gpus.Nccl.HoldsAborts = true;
        Exception?[] problems = RankTeam.Try(
            2,
            rank =>
            {
                NcclCollective joined = NcclCollective.TryJoin(rank, rank.Rank, 0, gpus.AsNccl(), out _)!;
                joined.Own(joined.Context.Allocate(64));
                rank.Abort("the disk is full.");
                joined.Dispose();
                Assert.That(joined.IsOver, Is.False);
            },
            Short);
        Assert.That(problems, Is.All.Null);
        Assert.That(gpus.DeviceBytes, Is.EqualTo(2 * 64));
        gpus.AssertNoViolations();

        // The threads that wait for them end with this device.
        gpus.Nccl.HoldsAborts = false;
        Assert.That(SpinWait.SpinUntil(static () => CudaUsage.CountOf(CudaKind.NcclCommunicator) == 0, RankTeam.Limit), Is.True);
    }

    [Test]
    public void Ranks_on_one_GPU_send_rows_over_the_host_and_say_so()
    {
        StartGpus(1);
        Assert.That(Version(static options => options with { Device = 0 }), Is.All.Match(
            "threads of this process over the host, without NCCL as ranks 0 and 1 have the same GPU \\(GPU-.*\\), and NCCL takes one"));
        Assert.That(
            Try(change: static options => options with { Device = 0, Collective = CollectiveKind.Nccl }),
            Is.All.TypeOf<PlatformNotSupportedException>().With.Message.Contains("ranks 0 and 1 have the same GPU"));
    }

    [Test]
    public void A_rank_without_NCCL_is_named_to_the_others()
    {
        SoftwareDevice gpus = StartGpus(2);
        var without = new NcclSource(
            static () => throw new NativeLibraryException("NCCL was not found.", [], "Install it."), () => CudaDriver.Start(gpus.Driver));
        string[] versions = Version(options => options.Device == 0
            ? options
            : options with { Ranks = (GivenCollective)options.Ranks! with { Nccl = without } });
        Assert.That(versions[0], Does.Contain("over the host, without NCCL as rank 1: NCCL was not found. Install it."));
        Assert.That(versions[1], Does.Contain("over the host, without NCCL as NCCL was not found. Install it."));
    }

    [Test]
    public void A_library_that_does_not_answer_is_passed_over_on_every_rank()
    {
        StartGpus(2).FailCall("ncclGetVersion", 1, UnhandledCudaError);
        Assert.That(Try(), Is.All.Null);
        Assert.That(Device.Executed.Select(static launch => launch.Kind), Has.None.EqualTo(LaunchKind.Collective));
    }

    [Test]
    public void Versions_have_to_be_the_same()
    {
        Start(Ada with { DeviceCount = 2 });
        var older = new NcclLibrary(new SoftwareSymbols("older", typeof(NcclExports), []));
        Device.Nccl.Version = 22005;
        var other = new NcclLibrary(Device.NcclSymbols);
        Assert.That(
            Version(options => options with
            {
                Ranks = (GivenCollective)options.Ranks! with
                {
                    Nccl = new NcclSource(() => options.Device == 0 ? older : other, () => CudaDriver.Start(Device.Driver)),
                },
            }),
            Is.All.Contains("rank 1 has NCCL 2.20.5, and rank 0 has 2.22.3."));
    }

    [Test]
    public void A_version_that_is_too_old_is_refused()
    {
        Start();
        Device.Nccl.Version = 21304;
        Assert.That(
            () => new NcclLibrary(Device.NcclSymbols),
            Throws.TypeOf<NativeLibraryException>().With.Message.StartsWith("software libnccl is NCCL 2.13.4; 2.14.0 or newer is needed."));
    }

    [Test]
    public void A_context_of_the_applications_own_leaves_NCCL_out()
    {
        StartGpus(2);
        nint[] contexts = [.. Enumerable.Range(0, 2).Select(device => new ForeignCuda(Device, device).Context)];
        Assert.That(
            Version(options => options with { CudaContext = contexts[options.Device] }),
            Is.All.Contains("CudaContext is a context of the application's own, and NCCL works in the device's primary one."));
    }

    [Test]
    public void Mpi_alone_is_taken_where_it_is_asked_for()
    {
        StartGpus(2);
        Assert.That(
            Version(static options => options with { Collective = CollectiveKind.Mpi }), Is.All.EndsWith("by threads of this process"));
        Assert.That(Device.Executed.Select(static launch => launch.Kind), Has.None.EqualTo(LaunchKind.Collective));
    }

    [Test]
    public void Nccl_is_refused_on_the_CPU() => Assert.That(
        RankTeam.Try(2, static rank => FfnEngine.Create(new FfnEngineOptions
        {
            Backend = BackendKind.Managed,
            Threads = 1,
            Parallel = "auto",
            Collective = CollectiveKind.Nccl,
            Ranks = new GivenCollective(rank),
        }).Dispose()),
        Is.All.TypeOf<PlatformNotSupportedException>().With.Message.Contains("backend managed computes in the host's memory."));

    [Test]
    public void Ranks_of_a_machine_take_its_GPUs_in_turn()
    {
        StartGpus(3);
        Assert.That(DeviceOf(device: 1, localRank: 1), Does.Contain("device 2)"));
        Assert.That(
            () => DeviceOf(device: 1, localRank: 2),
            Throws.TypeOf<BackendUnavailableException>().With.Message.Contains("no device for rank 2 of this machine, which sees 3"));
    }

    [Test]
    public void A_rank_that_sees_one_GPU_takes_that()
    {
        StartGpus(1);
        Assert.That(DeviceOf(device: 0, localRank: 3), Does.Contain("device 0)"));
    }

    private static string DeviceOf(int device, int localRank)
    {
        using FfnEngine engine = FfnEngine.Create(Options() with { Device = device, LocalRank = localRank });
        return engine.Backend.Version;
    }

    // A forward on two ranks, and how each of them ends.
    private Exception?[] Try(Action? beforeForward = null, Func<FfnEngineOptions, FfnEngineOptions>? change = null) => RankTeam.Try(
        2, rank =>
    {
        FfnEngineOptions options = OptionsOf(rank);
        RankTeam.RunEngine(change?.Invoke(options) ?? options, [(Spec, RandomLayers.Gaussian(Spec, 58_001))], layers =>
        {
            EngineTests.Forward(layers[0], FfnMode.Residual, new float[5 * 16]);
            beforeForward?.Invoke();
            EngineTests.Forward(layers[0], FfnMode.Residual, new float[5 * 16]);
        });
    });

    // What two ranks' engines say of themselves, after a forward.
    private string[] Version(Func<FfnEngineOptions, FfnEngineOptions> change)
    {
        string[] versions = new string[2];
        float[] input = RandomLayers.Rows(3, 16, 58_002);
        FfnMemoryWeights weights = RandomLayers.Gaussian(Spec, 58_003);
        RankTeam.Run(2, rank => RankTeam.RunEngine(change(OptionsOf(rank)), [(Spec, weights)], layers =>
            Tolerances.AssertClose(
                EngineTests.Forward(layers[0], FfnMode.Ffn, input), Oracle.Run(Spec, weights, FfnMode.Ffn, input).Output,
                Tolerances.Of(Spec), "over the host")));
        RankTeam.Run(2, rank =>
        {
            using FfnEngine engine = FfnEngine.Create(change(OptionsOf(rank)));
            versions[rank.Rank] = engine.Backend.Version;
        });
        return versions;
    }
}
