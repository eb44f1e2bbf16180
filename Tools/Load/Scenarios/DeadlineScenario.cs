using System.Diagnostics;
using NativeFfn.Load.Reporting;
using NativeFfn.Load.Wire;

namespace NativeFfn.Load.Scenarios;

/// <summary>
/// Requests with a deadline behind a forward that takes far longer: each is answered by its deadline, with rows or with 504.
/// </summary>
internal static class DeadlineScenario
{
    private const int Rounds = 5;
    private const int MeasuredTokens = 512;
    private const int MaxTokens = 65536;

    // A forward of so much less than the long one may run beside it; of more it waits.
    private const int PartThatWaits = 8;

    private const double BytesPerSecond = 100e6;

    private static readonly TimeSpan Long = TimeSpan.FromSeconds(2.4);
    private static readonly TimeSpan Deadline = TimeSpan.FromMilliseconds(100);

    // The long request is read, copied, and runs by then: a moment, and its bytes at a rate that a loaded machine has.
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(600);

    // Of the answer's way back, and of timers.
    private static readonly TimeSpan Tolerance = TimeSpan.FromMilliseconds(25);

    /// <summary>Runs it.</summary>
    /// <param name="plan">Layer and backend.</param>
    /// <param name="model">The checkpoint.</param>
    /// <returns>Whether everything was as promised.</returns>
    public static async Task<bool> RunAsync(LoadPlan plan, string model)
    {
        double tokenMs = await Bench.MillisecondsAsync(plan, MeasuredTokens) / MeasuredTokens;
        int tokens = (int)Math.Clamp(Long.TotalMilliseconds / tokenMs, PartThatWaits, MaxTokens);
        int row = plan.Shape.DModel * sizeof(float);
        Text.Heading(
            $"a deadline of {Deadline.TotalMilliseconds:0} ms behind a forward of {tokens} tokens, "
            + $"{tokens * tokenMs / 1000:0.0} s by bench");
        long bytes = (long)tokens * row;
        LoadPlan large = plan with
        {
            QueueTokens = Math.Max(plan.QueueTokens, 2 * tokens),
            ServerArguments = [$"--Server:MaxRequestBytes={bytes}", .. plan.ServerArguments],
        };
        await using ServerProcess server = await ServerProcess.StartAsync(large, model);
        byte[] first = ForwardRequest.Encode(RequestSet.Path, new byte[bytes]);
        string path = $"{RequestSet.Path}&deadline={Deadline.TotalSeconds}";
        byte[] one = ForwardRequest.Encode(path, new byte[row]);
        byte[] many = ForwardRequest.Encode(path, new byte[tokens / PartThatWaits * row]);
        List<Timed> longs = [];
        List<Timed> ones = [];
        List<Timed> manies = [];
        TimeSpan head = Moment + TimeSpan.FromSeconds(bytes / BytesPerSecond);

        // The first round has the server compile what it then runs, and does not count.
        for (int round = 0; round <= Rounds; round++)
        {
            if (round == 1)
            {
                longs.Clear();
                ones.Clear();
                manies.Clear();
            }

            Task<Timed> ahead = SendAsync(server.Port, first);
            await Task.Delay(head);
            Task<Timed> waiting = SendAsync(server.Port, many);
            ones.Add(await SendAsync(server.Port, one));
            manies.Add(await waiting);
            longs.Add(await ahead);
        }

        Report("the forward ahead", longs);
        Report("1 token", ones);
        Report($"{tokens / PartThatWaits} tokens", manies);
        TimeSpan latest = Deadline + Tolerance;
        return Text.Judge(longs.TrueForAll(static answer => answer.Status == 200), "the long ones were answered")
            & Text.Judge(
                manies.TrueForAll(answer => answer.Status == 504 && answer.Took >= Deadline && answer.Took <= latest),
                "what had to wait was told when its deadline passed")
            & Text.Judge(ones.TrueForAll(answer => answer.Took <= latest), "one token was answered by then");
    }

    private static void Report(string name, List<Timed> answers) => Text.Line(
        name, string.Join(", ", answers.Select(static answer => $"{answer.Status} after {answer.Took.TotalMilliseconds:0} ms")));

    private static async Task<Timed> SendAsync(int port, byte[] request)
    {
        using HttpConnection connection = await HttpConnection.OpenAsync(port);
        long sent = Stopwatch.GetTimestamp();
        Answer answer = await connection.SendAsync(request);
        return new Timed(answer.Status, Stopwatch.GetElapsedTime(sent));
    }

    private readonly record struct Timed(int Status, TimeSpan Took);
}
