using NUnit.Framework;

namespace NativeFfn.Tests.Api;

/// <summary>Options, the choice of a backend and the report of it.</summary>
public class FfnEngineTests
{
    // The order of preference that the options promise.
    private static readonly BackendKind[] Preference = [BackendKind.CuBlas, BackendKind.Mkl, BackendKind.Managed];

    [TestCase(-1)]
    [TestCase(FfnEngineOptions.MaxThreads + 1)]
    public void A_mistyped_thread_count_is_refused_before_anything_is_loaded(int threads)
    {
        ArgumentOutOfRangeException refusal = Assert.Throws<ArgumentOutOfRangeException>(
            () => FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed, Threads = threads }));
        Assert.That(refusal.Message, Does.Contain("Threads must be 1 to 1024").And.Contain($"{threads}"));
    }

    [Test]
    public void No_thread_count_means_the_processors_of_this_process()
    {
        using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed });
        using FfnEngine one = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed, Threads = 1 });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(engine.Backend.Threads, Is.EqualTo(Math.Min(Environment.ProcessorCount, FfnEngineOptions.MaxThreads)));
            Assert.That(one.Backend.Threads, Is.EqualTo(1));
        }
    }

    [Test]
    public void Managed_is_always_there()
    {
        using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(engine.Backend.Name, Is.EqualTo("managed"));
            Assert.That(engine.Backend.Path, Is.Null);
            Assert.That(engine.Backend.Version, Is.Not.Empty);
            Assert.That(engine.Selection.Requested, Is.EqualTo(BackendKind.Managed));
            Assert.That(engine.Selection.Candidates, Has.Length.EqualTo(1));
        }
    }

    [Test]
    public void Auto_takes_the_best_and_reports_what_it_passed_over()
    {
        using FfnEngine engine = FfnEngine.Create();
        BackendSelection selection = engine.Selection;
        BackendKind[] tried = [.. selection.Candidates.Select(static candidate => candidate.Kind)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(selection.Requested, Is.EqualTo(BackendKind.Auto));
            Assert.That(tried, Is.EqualTo(Preference[..tried.Length]), "in the order of preference");
            Assert.That(selection.Candidates[^1].Kind, Is.EqualTo(selection.Chosen.Kind), "the chosen one last");
            Assert.That(selection.Candidates[^1].Available, Is.True);
            Assert.That(selection.Candidates[..^1].Select(static candidate => candidate.Reason), Is.All.Not.Empty, "the reason for each other");
            Assert.That(selection.Candidates[..^1].Select(static candidate => candidate.Available), Is.All.False);
            Assert.That(selection.ToString(), Does.Contain($"requested auto, using {engine.Backend.Name}"));
            Assert.That(selection.ToString().Split('\n'), Has.Length.GreaterThanOrEqualTo(tried.Length + 1), "a line for each");
        }
    }

    [Test]
    public void A_probe_tells_of_every_backend()
    {
        var candidates = FfnEngine.Probe();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(candidates.Select(static candidate => candidate.Kind), Is.EqualTo((BackendKind[])[BackendKind.CuBlas, BackendKind.Cblas, .. Preference[1..], BackendKind.Reference]));
            Assert.That(candidates[^1].Available, Is.True, "the reference is always there");
            Assert.That(
                candidates.Where(static candidate => !candidate.IsAutomatic).Select(static candidate => candidate.Kind),
                Is.EqualTo(new[] { BackendKind.Cblas, BackendKind.Reference }), "a library that nobody named, and the reference");
            foreach (BackendCandidate candidate in candidates)
            {
                Assert.That(candidate.Reason is null, Is.EqualTo(candidate.Available), $"{candidate.Kind} is available or has a reason");
            }
        }
    }

    [TestCase(BackendKind.Mkl)]
    [TestCase(BackendKind.Cblas)]
    [TestCase(BackendKind.Managed)]
    [TestCase(BackendKind.CuBlas)]
    [TestCase(BackendKind.Reference)]
    public void A_named_backend_is_used_or_refused_with_the_probes_reason_and_never_replaced(BackendKind backend)
    {
        BackendCandidate probed = FfnEngine.Probe().Single(candidate => candidate.Kind == backend);
        if (probed.Available)
        {
            using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = backend });
            Assert.That(engine.Backend.Kind, Is.EqualTo(backend));
            return;
        }

        BackendUnavailableException refusal = Assert.Throws<BackendUnavailableException>(
            () => FfnEngine.Create(new FfnEngineOptions { Backend = backend }));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(refusal.Kind, Is.EqualTo(backend));
            Assert.That(refusal.Reason, Is.Not.Empty);
            Assert.That(refusal.Message, Does.Contain($"'{Names<BackendKind>.Of(backend)}'").And.Contain(refusal.Reason));
        }
    }

    [Test]
    public void A_configured_mkl_that_is_not_there_is_named_and_nothing_else_is_tried()
    {
        string nowhere = Path.Combine(Path.GetTempPath(), "nativeffn-no-such-folder", "libmkl_rt.so");
        BackendUnavailableException refusal = Assert.Throws<BackendUnavailableException>(
            () => FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Mkl, MklPath = nowhere }));
        Assert.That(refusal.Message, Does.Contain(nowhere));
    }
}
