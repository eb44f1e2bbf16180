using System.Collections.Immutable;
using System.CommandLine;
using NativeFfn.Backends.Parallel;
using NativeFfn.Checkpoints;
using NativeFfn.Cli.Files;
using NativeFfn.Cli.Options;

namespace NativeFfn.Cli.Planning;

/// <summary><c>plan</c>: what a layer would take on several ranks, by each way to cut it.</summary>
internal static class PlanCommand
{
    private static readonly LayerShape DefaultShape = new(4096, 14336);
    private static readonly ImmutableArray<int> DefaultTokens = [1, 8, 64, 512];
    private static readonly TimeSpan MeasuringLimit = TimeSpan.FromMinutes(10);
    private static readonly string[] OfJobs =
    [
        nameof(FfnEngineOptions.Parallel), nameof(FfnEngineOptions.ParallelSeconds), nameof(FfnEngineOptions.ParallelChunks),
        nameof(FfnEngineOptions.Collective), nameof(FfnEngineOptions.NcclPath),
    ];


    /// <summary>What was asked for.</summary>
    private sealed record Request(
        string? Model, CheckpointTower? Tower, int Layer, FfnSpec Spec, ImmutableArray<int> Ranks, ImmutableArray<int> Tokens, double MemoryRate,
        double ComputeRate, LinkRate? Link, double Memory, FfnEngineOptions Engine, double Seconds, bool Json, string? Picture);

    public static Command Create(Session session)
    {
        Option<string> model = OptionFactory.Text("--model", "DIR|FILE", "A checkpoint, in place of a preset or a shape.");
        Option<CheckpointTower?> tower = CommonOptions.Tower();
        Option<int> index = CommonOptions.Layer();
        Option<ImmutableArray<int>> ranks = PlanOptions.Ranks();
        Option<ImmutableArray<int>> tokens = BenchOptions.Tokens(DefaultTokens);
        Option<double> memoryRate = PlanOptions.MemoryRate();
        Option<double> computeRate = PlanOptions.ComputeRate();
        Option<LinkRate?> link = PlanOptions.Link();
        Option<double> memory = PlanOptions.Memory();
        Option<double> seconds = BenchOptions.Seconds("Time for each rate that is measured.");
        Option<bool> json = CommonOptions.Json();
        Option<string> picture = OptionFactory.Text("--svg", "FILE", "Also draw the plans.");
        var command = new Command("plan", "Predict what a layer takes on several ranks, from its shapes and encodings and from what a rank can do.")
        {
            model, tower, index,
        };
        LayerOptions layer = LayerOptions.AddTo(command, DefaultShape);
        Array.ForEach((Option[])[ranks, tokens, memoryRate, computeRate, link, memory, seconds, json, picture], command.Add);
        EngineOptionGroup engines = EngineOptionGroup.AddTo(command, without: OfJobs, also: nameof(FfnEngineOptions.Backend));
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(model) is not null && layer.AreIn(parsed))
            {
                throw new UsageException("--model names a layer, and so do --preset, --shape, --kind and --experts; give one of them.");
            }

            return Run(session, new Request(
                parsed.GetValue(model), parsed.GetValue(tower), parsed.GetValue(index), layer.Read(parsed), parsed.GetValue(ranks).OrDefault([]),
                parsed.GetValue(tokens).OrDefault(DefaultTokens), parsed.GetValue(memoryRate), parsed.GetValue(computeRate), parsed.GetValue(link),
                parsed.GetValue(memory), engines.Read(parsed), parsed.GetValue(seconds), parsed.GetValue(json), parsed.GetValue(picture)));
        });
        return command;
    }

    private static int Run(Session session, Request request)
    {
        if (request.Picture is not null)
        {
            OutputPath.Require("--svg", request.Picture);
        }

        bool measures = request.Link is null || request.MemoryRate == 0 || request.ComputeRate == 0;
        using ICollective? job = measures ? CollectiveCatalog.OpenJob(request.Engine.MpiPath, MeasuringLimit) : null;
        ImmutableArray<int> ranks = request.Ranks.IsEmpty && job is not null ? [job.Ranks] : request.Ranks;
        if (ranks.IsEmpty)
        {
            throw new UsageException("--ranks is missing. Say how many ranks to plan for, or start the command as an MPI job: mpirun -n 2 nativeffn plan.");
        }

        PlanCeilings ceilings = Ceilings(request, ranks, job);
        if (JobRank.Current > 0)
        {
            return ExitCode.Done;
        }

        PlanReport report = Report(request, ranks, ceilings, job?.Ranks ?? 1);
        if (request.Json)
        {
            session.Terminal.Out.WriteLine(CliJson.Write(report, CliJson.Default.PlanReport));
        }
        else
        {
            PlanText.Write(session.Terminal, report);
        }

        if (request.Picture is { } file)
        {
            session.Interrupt.WhileWriting(file, () => AtomicFile.WriteText(file, PlanPicture.Draw(report) + Environment.NewLine));
        }

        return ExitCode.Done;
    }

    private static PlanCeilings Ceilings(Request request, ImmutableArray<int> ranks, ICollective? job)
    {
        (double memory, double compute) = (request.MemoryRate, request.ComputeRate);
        List<string> measured = [];
        if (memory == 0 || compute == 0)
        {
            (double readings, double operations) = CeilingsHere.Compute(request.Engine, request.Seconds, job);
            memory = memory > 0 ? memory : readings;
            compute = compute > 0 ? compute : operations;
            measured.Add(job is null ? "on this machine" : $"by {job.Ranks} ranks at once");
        }

        if (request.Link is { } link)
        {
            return new PlanCeilings(memory, compute, link.GbPerSec, link.Microseconds, Source(measured));
        }

        if (job is null)
        {
            return ranks.All(static count => count == 1) ? new PlanCeilings(memory, compute, 1, 0, Source(measured)) : throw new UsageException(
                "--link is missing: what ranks send each other, in GB/s and microseconds, such as --link 25,2. An MPI job measures it.");
        }

        (double rate, double latency) = CeilingsHere.Link(job);
        measured.Add("with their link");
        return new PlanCeilings(memory, compute, rate, latency, Source(measured));
    }

    private static string Source(List<string> measured) => measured.Count == 0 ? "as given" : "measured " + string.Join(' ', measured);

    private static PlanReport Report(Request request, ImmutableArray<int> ranks, PlanCeilings ceilings, int measuredRanks)
    {
        using FfnCheckpoint? checkpoint = request.Model is null ? null : FfnCheckpoint.Open(request.Model, request.Tower);
        FfnCheckpointLayer? stored = checkpoint?.GetLayer(request.Layer);
        FfnSpec spec = stored?.Spec ?? request.Spec;
        FfnPrecision precision = stored is null ? request.Engine.Precision.OfNumbers() : request.Engine.Precision;
        long memory = request.Memory > 0 ? (long)(request.Memory * 1e9) : long.MaxValue;
        var planner = new Planner(spec, stored?.Weights ?? new XavierWeights(spec, seed: 1), precision, ceilings, memory);
        (ImmutableArray<PlanRow> rows, ImmutableArray<PlanRefusal> refused) = planner.Run(ranks, request.Tokens);
        string note = ranks.All(count => count == measuredRanks) && ceilings.Source.StartsWith("measured", StringComparison.Ordinal)
            ? "Predicted from what these ranks can do; the forwards themselves were not run."
            : "A simulation from shapes and rates: so many ranks were not run. It knows nothing of uneven networks, or of tokens that prefer an expert.";
        return new PlanReport(spec.ToString(), Names<FfnPrecision>.Of(precision), ceilings, note, rows, refused);
    }
}
