using NativeFfn.Load.Reporting;
using NativeFfn.Load.Wire;

namespace NativeFfn.Load.Scenarios;

/// <summary>Faults between good requests, the model's files gone, and the server's end under load: nobody else may notice.</summary>
internal static class FaultScenario
{
    private const int Neighbours = 8;
    private const int Rounds = 5;
    private const string Key = "a-key-for-this-run-only";
    private const string KeyHeader = "X-Api-Key: " + Key + "\r\n";
    private static readonly TimeSpan AfterFaults = TimeSpan.FromSeconds(2);

    /// <summary>Runs it; the checkpoint is gone afterwards.</summary>
    /// <returns>Whether everything was as promised.</returns>
    public static async Task<bool> RunAsync(LoadPlan plan, string model)
    {
        Text.Heading($"faults, {Rounds} times each, beside {Neighbours} clients with good requests");
        RequestSet requests = RequestSet.Create(plan, model, KeyHeader);
        await using ServerProcess server = await ServerProcess.StartAsync(plan, model, key: Key);
        using var end = new CancellationTokenSource();
        Task<LoadStatistics> neighbours = ClosedLoop.RunAsync(server.Port, requests, Neighbours, end.Token);
        bool good = true;
        foreach (Fault fault in Fault.All(requests, KeyHeader))
        {
            good &= await TryAsync(server, fault);
        }

        Directory.Delete(model, recursive: true);
        await Task.Delay(AfterFaults);
        await end.CancelAsync();
        LoadStatistics statistics = await neighbours;
        Text.Statistics(statistics);
        bool undisturbed = statistics.IsClean && statistics.Answers > 0 && statistics.Stopped == 0 && statistics.TurnedAway == 0;
        Text.Verdict(undisturbed, "the neighbours were all served rightly, also without the model's files");
        return good & undisturbed & await StopUnderLoadAsync(plan, server, requests);
    }

    private static async Task<bool> TryAsync(ServerProcess server, Fault fault)
    {
        string? problem = null;
        for (int round = 0; round < Rounds && problem is null; round++)
        {
            problem = await fault.TryAsync(server.Port);
        }

        Text.Line(fault.Name, problem ?? (fault.Status == 0 ? "-" : $"{fault.Status}"));
        return problem is null;
    }

    private static async Task<bool> StopUnderLoadAsync(LoadPlan plan, ServerProcess server, RequestSet requests)
    {
        Text.Heading($"SIGTERM with {plan.Clients} clients");
        Task<LoadStatistics> clients = ClosedLoop.RunAsync(server.Port, requests, plan.Clients, CancellationToken.None);
        await Task.Delay(AfterFaults);
        int code = await server.StopAsync();
        LoadStatistics statistics = await clients;
        Text.Statistics(statistics);
        Text.Line(
            "at the end",
            $"{statistics.Stopped} requests came too late (503, or the connection was closed before an answer); exit code {code}");
        bool good = statistics.IsClean && code == 0;
        Text.Verdict(good, "what was accepted was finished");
        return good;
    }
}
