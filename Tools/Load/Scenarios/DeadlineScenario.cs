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

    private static readonly TimeSpan Long = TimeSpan.FromSeconds(2.4);
    private static readonly TimeSpan Deadline = TimeSpan.FromMilliseconds(100);

    // A request that was sent is copied, and runs, by then.
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(1500);

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

        // Has the server compile what it then runs.
        await RoundAsync();
        List<(Timed Long, Timed One, Timed Many)> rounds = [];
        while (rounds.Count < Rounds)
        {
            rounds.Add(await RoundAsync());
        }

        Report("the forward ahead", rounds.Select(static round => round.Long));
        Report("1 token", rounds.Select(static round => round.One));
        Report($"{tokens / PartThatWaits} tokens", rounds.Select(static round => round.Many));
        TimeSpan latest = Deadline + Tolerance;
        return Text.Judge(rounds.TrueForAll(static round => round.Long.Status == 200), "the long ones were answered")
            & Text.Judge(
                rounds.TrueForAll(round => round.Many.Status == 504 && round.Many.Took >= Deadline && round.Many.Took <= latest),
                "what had to wait was told when its deadline passed")
            & Text.Judge(rounds.TrueForAll(round => round.One.Took <= latest), "one token was answered by then");

        async Task<(Timed Long, Timed One, Timed Many)> RoundAsync()
        {
            using HttpConnection ahead = await HttpConnection.OpenAsync(server.Port);
            long begun = Stopwatch.GetTimestamp();
            await ahead.WriteAsync(first);
            await Task.Delay(Moment);
            Task<Timed> waiting = SendAsync(server.Port, many);
            Timed single = await SendAsync(server.Port, one);
            Timed waited = await waiting;
            Answer answer = await ahead.ReadAsync();
            return (new Timed(answer.Status, Stopwatch.GetElapsedTime(begun)), single, waited);
        }
    }

    private static void Report(string name, IEnumerable<Timed> answers) => Text.Line(
        name, string.Join(", ", answers.Select(static answer => $"{answer.Status} after {answer.Took.TotalMilliseconds:0} ms")));

    private static async Task<Timed> SendAsync(int port, byte[] request)
    {
        using HttpConnection connection = await HttpConnection.OpenAsync(port);
        long sent = Stopwatch.GetTimestamp();
        Task written = connection.WriteAsync(request).AsTask();

        // A deadline that passes within a large body is told at once, and the rest of the body is read after it.
        Answer answer = await connection.ReadAsync();
        TimeSpan took = Stopwatch.GetElapsedTime(sent);
        await written;
        return new Timed(answer.Status, took);
    }

    private readonly record struct Timed(int Status, TimeSpan Took);
}
