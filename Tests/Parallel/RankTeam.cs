using NativeFfn.Backends.Parallel;

namespace NativeFfn.Tests.Ranks;

/// <summary>Ranks as threads of this process, each with work of its own.</summary>
internal static class RankTeam
{
    /// <summary>Longer than any test takes; what waits for ever fails.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Runs work on every rank; rethrows what the lowest failed of.</summary>
    public static void Run(int ranks, Action<ICollective> work, TimeSpan? limit = null)
    {
        Exception?[] problems = Try(ranks, work, limit);
        if (problems.FirstOrDefault(static problem => problem is not null) is { } first)
        {
            throw new AggregateException(first);
        }
    }

    /// <summary>Runs work on every rank, and says what each failed of.</summary>
    public static Exception?[] Try(int ranks, Action<ICollective> work, TimeSpan? limit = null)
    {
        LocalCollective[] group = LocalCollective.Create(ranks, limit ?? Limit);
        var problems = new Exception?[ranks];
        Thread[] threads = [.. group.Select(rank => new Thread(() =>
        {
            try
            {
                work(rank);
            }
            catch (Exception problem)
            {
                problems[rank.Rank] = problem;
            }
        }))];
        Array.ForEach(threads, static thread => thread.Start());
        Array.ForEach(threads, static thread => thread.Join());
        return problems;
    }

    /// <summary>Runs an engine on every rank, each with work of its own on its layer.</summary>
    public static void RunTogether(
        int ranks, string plan, FfnEngineOptions options, FfnSpec spec, IFfnWeightSource weights, Action<FfnLayer> work) =>
        Run(ranks, rank =>
        {
            using FfnEngine engine = FfnEngine.Create(options with { Parallel = plan, Ranks = new GivenCollective(rank) });
            using FfnLayer layer = engine.CreateLayer(spec, weights);
            work(layer);
        });

    /// <summary>Runs an engine on every rank: rank 0 does the work with its layer, the others follow.</summary>
    public static void RunEngines(
        int ranks, string plan, FfnEngineOptions options, FfnSpec spec, IFfnWeightSource weights, Action<FfnLayer> lead) =>
        Run(ranks, rank => RunEngine(
            options with { Parallel = plan, Ranks = new GivenCollective(rank) }, [(spec, weights)], layers => lead(layers[0])));

    /// <summary>Runs a rank's engine: rank 0 does the work with its layers, another follows.</summary>
    public static void RunEngine(FfnEngineOptions options, (FfnSpec Spec, IFfnWeightSource Weights)[] given, Action<FfnLayer[]> lead)
    {
        using FfnEngine engine = FfnEngine.Create(options);
        FfnLayer[] layers = [.. given.Select(layer => engine.CreateLayer(layer.Spec, layer.Weights))];
        try
        {
            if (engine.Rank == 0)
            {
                lead(layers);
            }
            else
            {
                engine.Follow();
            }
        }
        finally
        {
            Array.ForEach(layers, static layer => layer.Dispose());
        }
    }
}
