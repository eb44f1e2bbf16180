using System.Diagnostics;
using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using NativeFfn.AspNetCore.Http;
using NativeFfn.Hosting;
using NativeFfn.Load.Wire;
using NativeFfn.Tests.Cli;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Server;

/// <summary>What an operator sees: metrics, health, the queue's bounds over HTTP, memory that is given back, and a refused start.</summary>
public sealed class OperationTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Test]
    public async Task Metrics_count_what_was_served()
    {
        const int Tokens = 7;
        await using ServerUnderTest server = await ServerUnderTest.StartAsync();
        using HttpResponseMessage answer = await server.PostAsync(ServerUnderTest.Rows(Tokens));
        _ = await ServerUnderTest.ReadRowsAsync(answer);
        using HttpResponseMessage page = await server.Client.GetAsync(new Uri("/metrics", UriKind.Relative));
        string text = await page.Content.ReadAsStringAsync();
        Metrics metrics = Metrics.Parse(text);
        Assert.Multiple(() =>
        {
            Assert.That(page.Content.Headers.ContentType?.MediaType, Is.EqualTo("text/plain"));
            Assert.That(metrics.Sum("nativeffn_tokens_total", "model/1"), Is.EqualTo(Tokens), text);
            Assert.That(metrics.Histogram("nativeffn_batch_size").Sum, Is.GreaterThanOrEqualTo(Tokens));
            Assert.That(metrics.Sum("nativeffn_weights_size_bytes"), Is.GreaterThan(0));
            Assert.That(metrics.Sum("http_server_request_duration_seconds_count", "forward"), Is.EqualTo(1));
        });
    }

    [Test]
    public async Task A_model_is_read_again_over_http_and_one_that_is_not_there_is_named()
    {
        await using ServerUnderTest server = await ServerUnderTest.StartAsync();
        using HttpResponseMessage done = await server.Client.PostAsync(new Uri("/v1/models/model/reload", UriKind.Relative), content: null);
        Assert.That(done.StatusCode, Is.EqualTo(HttpStatusCode.NoContent));
        using HttpResponseMessage answer = await server.PostAsync(ServerUnderTest.Rows(2));
        _ = await ServerUnderTest.ReadRowsAsync(answer);
        using HttpResponseMessage unknown = await server.Client.PostAsync(
            new Uri("/v1/models/none/reload", UriKind.Relative), content: null);
        Assert.That(await ServerUnderTest.AssertProblemAsync(unknown, 404, "layer-unknown"), Does.Contain("There is no model 'none'"));
    }

    [Test]
    public async Task Health_is_told_apart_into_live_and_ready()
    {
        await using ServerUnderTest server = await ServerUnderTest.StartAsync();
        foreach (string check in (string[])["/healthz/live", "/healthz/ready"])
        {
            using HttpResponseMessage answer = await server.Client.GetAsync(new Uri(check, UriKind.Relative));
            Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.OK), check);
        }
    }

    // The engine waits for a fourth token, so that three fill the queue for as long as the test wants.
    [Test]
    public async Task A_full_queue_turns_away_over_http_and_serves_the_rest()
    {
        await using ServerUnderTest server = await ServerUnderTest.StartAsync(
            "--NativeFfn:Batching:MaxBatchTokens=4", "--NativeFfn:Batching:QueueCapacityTokens=4",
            "--NativeFfn:Batching:MaxQueueDelay=00:00:10");
        float[] rows = ServerUnderTest.Rows(3);
        Task<HttpResponseMessage> one = server.PostAsync(rows);
        Task<HttpResponseMessage> other = server.PostAsync(rows);
        using HttpResponseMessage refused = await (await Task.WhenAny(one, other)).WaitAsync(Patience);
        await ServerUnderTest.AssertProblemAsync(refused, 429, "queue-full");
        Assert.That(
            int.Parse(refused.Headers.GetValues("Retry-After").Single(), System.Globalization.CultureInfo.InvariantCulture), Is.Positive);
        using HttpResponseMessage last = await server.PostAsync(ServerUnderTest.Rows(1));
        using HttpResponseMessage waited = await (ReferenceEquals(await one, refused) ? other : one).WaitAsync(Patience);
        Assert.That(await ServerUnderTest.ReadRowsAsync(waited), Is.EqualTo(server.Expected(FfnMode.Ffn, rows)).Within(1e-6));
    }

    // What comes before the body stands for the time that a body takes.
    [TestCase(30, 70)]
    [TestCase(99, 1)]
    [TestCase(100, null)]
    [TestCase(130, null)]
    public async Task A_deadline_counts_from_the_head_of_the_request(int spent, int? left)
    {
        var time = new FakeTimeProvider();
        bool ran = false;
        var client = new FakeClient((_, _, _) =>
        {
            ran = true;
            return Task.CompletedTask;
        })
        {
            IsFull = _ =>
            {
                time.Advance(TimeSpan.FromMilliseconds(spent));
                return false;
            },
        };
        await using ServerUnderTest server = await ServerUnderTest.StartAsync(services => services
            .AddSingleton<IFfnClient>(client).AddSingleton<TimeProvider>(time));
        using HttpResponseMessage answer = await server.PostAsync(ServerUnderTest.Rows(1), "?deadline=0.1").WaitAsync(Patience);
        Assert.That(ran, Is.EqualTo(left is not null));
        if (left is { } milliseconds)
        {
            Assert.That((answer.IsSuccessStatusCode, client.Asked.Deadline), Is.EqualTo((true, TimeSpan.FromMilliseconds(milliseconds))));
        }
        else
        {
            await ServerUnderTest.AssertProblemAsync(answer, 504, "deadline");
        }
    }

    [Test]
    public async Task A_deadline_of_the_request_passes_in_the_queue()
    {
        await using ServerUnderTest server = await ServerUnderTest.StartAsync("--NativeFfn:Batching:MaxQueueDelay=00:00:10");
        using HttpResponseMessage answer = await server.PostAsync(ServerUnderTest.Rows(1), "?deadline=0.01").WaitAsync(Patience);
        await ServerUnderTest.AssertProblemAsync(answer, 504, "deadline");
    }

    [Test]
    public void Bodies_together_stay_within_their_memory_and_give_it_back()
    {
        var memory = new RowMemory(1 << 20);
        var first = new RowBuffer(memory);
        first.Append(new byte[600_000]);
        Assert.That(first.ByteCount, Is.EqualTo(600_000));
        Assert.That(memory.Used, Is.InRange(600_000, 1 << 20));
        using (var second = new RowBuffer(memory))
        {
            Assert.That(() => second.Append(new byte[600_000]), Throws.TypeOf<RequestException>().With.Property("Kind").EqualTo(
                ProblemKind.QueueFull));
        }

        first.Dispose();
        first.Dispose();
        Assert.That(memory.Used, Is.Zero);
    }

    [Test]
    public void A_buffer_keeps_its_bytes_while_it_grows()
    {
        using var buffer = new RowBuffer(new RowMemory(long.MaxValue));
        byte[] bytes = new byte[200_001];
        new Random(1).NextBytes(bytes);
        for (int at = 0; at < bytes.Length; at += 1021)
        {
            buffer.Append(bytes.AsSpan(at, Math.Min(1021, bytes.Length - at)));
        }

        Assert.That(buffer.Bytes.SequenceEqual(bytes), Is.True);
        Assert.That(buffer.Elements.Length, Is.EqualTo(50_000));
    }

    [Test]
    public async Task Every_buffer_is_given_back_whatever_became_of_its_request()
    {
        await using ServerUnderTest server = await ServerUnderTest.StartAsync();
        using HttpResponseMessage good = await server.PostAsync(ServerUnderTest.Rows(2));
        using HttpResponseMessage json = await server.PostAsync("{\"rows\": [[1"u8.ToArray(), type: "application/json");
        using HttpResponseMessage wide = await server.PostAsync(new byte[5]);
        Assert.That(good.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        await server.App.StopAsync();
        Assert.That(((RowMemory)server.App.Services.GetService(typeof(RowMemory))!).Used, Is.Zero);
    }

    [TestCase("HUP")]
    [TestCase("TERM")]
    public async Task A_signal_drains_the_server_and_ends_it_well(string signal)
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Ignore("Windows has no such signals.");
        }

        if (signal == "HUP" && IgnoresHangUp())
        {
            Assert.Ignore("Started with SIGHUP ignored, as nohup does, which every process below inherits.");
        }

        using var folder = new CommandFolder();
        using Process process = CommandProcess.Start(
            new Dictionary<string, string?>(), "serve", "--model", folder.Checkpoint(), "--backend=managed",
            "--urls=http://127.0.0.1:0", "--grpc-urls=http://127.0.0.1:0", "--Logging:LogLevel:Microsoft=Information");
        try
        {
            string said = string.Empty;
            while (!said.Contains("Application started", StringComparison.Ordinal))
            {
                said += await process.StandardOutput.ReadLineAsync().WaitAsync(Patience) ?? throw new AssertionException(said);
            }

            using Process kill = Process.Start("kill", ["-" + signal, $"{process.Id}"]);
            said = await process.StandardOutput.ReadToEndAsync().WaitAsync(Patience);
            await process.WaitForExitAsync().WaitAsync(Patience);
            Assert.That((process.ExitCode, said.Contains("is drained", StringComparison.Ordinal)), Is.EqualTo((0, true)), said);
        }
        finally
        {
            process.Kill();
        }
    }

    [TestCase("--urls=http://0.0.0.0:0", "Server:ApiKeys")]
    [TestCase("--NativeFfn:Backend=fpga", "NativeFfn:Backend")]
    [TestCase("--NativeFfn:Batching:MaxBatchTokens=0", "NativeFfn:Batching:MaxBatchTokens")]
    [TestCase("--urls=http://127.0.0.1:8080/base", "Kestrel:Endpoints:Http:Url")]
    [TestCase("--Logging:LogLevel:Default=loud", "loud")]
    [TestCase("--model=/nowhere", "/nowhere")]
    [TestCase("--colour=red", "--colour")]
    [TestCase("--modle=/nowhere", "Did you mean --model?")]
    [TestCase("--backend=fpga", "--backend is 'fpga'")]
    public void A_start_that_is_refused_says_why_in_one_line(string argument, string named)
    {
        (int exitCode, string output, string error) = CommandProcess.Run(
            new Dictionary<string, string?>(), "serve", "--grpc-urls=http://127.0.0.1:0", argument,
            argument.StartsWith("--urls", StringComparison.Ordinal) ? "--backend=managed" : "--urls=http://127.0.0.1:0");
        Assert.Multiple(() =>
        {
            Assert.That(exitCode, Is.EqualTo(2), output + error);
            Assert.That(error, Does.StartWith("nativeffn: error: ").And.Contain(named));
            Assert.That(error.TrimEnd('\n'), Does.Not.Contain('\n'));
        });
    }

    // The lowest bit of the mask of ignored signals is SIGHUP's.
    private static bool IgnoresHangUp()
    {
        const string Mask = "SigIgn:";
        const string Status = "/proc/self/status";
        string? line = File.Exists(Status)
            ? File.ReadLines(Status).FirstOrDefault(static line => line.StartsWith(Mask, StringComparison.Ordinal))
            : null;
        return line is not null && (Convert.ToUInt64(line[Mask.Length..].Trim(), 16) & 1) != 0;
    }
}
