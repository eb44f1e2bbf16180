using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Ranks;

/// <summary>The server on two ranks under the launchers of Open MPI and MPICH: what clients see, whatever happens to a rank.</summary>
[TestFixtureSource(typeof(MpiJob), nameof(MpiJob.Launchers))]
public sealed class MpiServerTests(string launcher, string options)
{
    private const int Ranks = 2;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly GoldenCase _golden = GoldenCases.Find("llama");

    [OneTimeSetUp]
    public void RequireLauncher() => MpiJob.Require(launcher);

    [Test]
    public async Task Answers_are_right_until_a_signal_ends_all_ranks()
    {
        await using ServedJob served = await StartAsync();
        float[] expected = Expected();
        Task<HttpResponseMessage>[] calls = [.. Enumerable.Range(0, 16).Select(_ => served.PostAsync())];
        foreach (Task<HttpResponseMessage> call in calls)
        {
            byte[] body = await (await call).EnsureSuccessStatusCode().Content.ReadAsByteArrayAsync();
            Tolerances.AssertClose(MemoryMarshal.Cast<byte, float>(body).ToArray(), Estimate.Exact(expected), Tolerances.Golden, launcher);
        }

        Assert.That(
            await served.Client.GetStringAsync(new Uri("/metrics", UriKind.Relative)),
            Does.Contain("nativeffn_collective_io_bytes_total").And.Contain("nativeffn_collective_duration_seconds_total"));
        served.Job.SendLauncher("TERM");
        served.Job.Wait();
        Assert.That(await served.Job.Output, Does.Contain("is drained").And.Not.Contain("crit"));
    }

    [Test]
    public async Task Clients_that_wait_for_a_stopped_rank_are_told_to_go_elsewhere()
    {
        await using ServedJob served = await StartAsync();
        Assert.That(served.Job.TrySend(1, "STOP"));
        Task<HttpResponseMessage>[] calls = [.. Enumerable.Range(0, 8).Select(_ => served.PostAsync())];
        foreach (Task<HttpResponseMessage> call in calls)
        {
            Assert.That((await call).StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
        }

        Assert.That(served.Job.Wait(), Is.Not.Zero);
        Assert.That((await served.Job.Output).Split("Rank 1 was not heard of for 3 s").Length, Is.GreaterThan(1));
    }

    [Test]
    public async Task A_rank_that_is_stopped_while_nothing_is_asked_ends_the_job([Values(0, 1)] int stopped)
    {
        await using ServedJob served = await StartAsync();
        Assert.That(served.Job.TrySend(stopped, "STOP"));
        Assert.That(served.Job.Wait(), Is.Not.Zero);
        Assert.That(await served.Job.Output, Does.Contain($"Rank {stopped} was not heard of for 3 s"));
    }

    [Test]
    public async Task A_killed_rank_leaves_no_client_with_a_wrong_answer()
    {
        await using ServedJob served = await StartAsync();
        float[] expected = Expected();
        using var stop = new CancellationTokenSource();
        Task<List<HttpStatusCode?>> client = Task.Run(async () =>
        {
            List<HttpStatusCode?> seen = [];
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    using HttpResponseMessage answer = await served.PostAsync();
                    seen.Add(answer.StatusCode);
                    if (answer.IsSuccessStatusCode)
                    {
                        Tolerances.AssertClose(
                            MemoryMarshal.Cast<byte, float>(await answer.Content.ReadAsByteArrayAsync()).ToArray(),
                            Estimate.Exact(expected), Tolerances.Golden, launcher);
                    }
                }
                catch (HttpRequestException)
                {
                    // The launcher killed rank 0 too.
                    seen.Add(null);
                }
            }

            return seen;
        });
        await Task.Delay(500);
        Assert.That(served.Job.TrySend(1, "KILL"));
        Assert.That(served.Job.Wait(), Is.Not.Zero);
        await stop.CancelAsync();
        List<HttpStatusCode?> seen = await client;
        Assert.That(seen.Distinct(), Is.SubsetOf(new HttpStatusCode?[] { HttpStatusCode.OK, HttpStatusCode.ServiceUnavailable, null }));
        Assert.That(seen, Does.Contain((HttpStatusCode?)HttpStatusCode.OK));
    }

    private float[] Expected() => _golden.ReadExpected(FfnMode.Ffn)!;

    private async Task<ServedJob> StartAsync()
    {
        (int http, int grpc) = (FreePort(), FreePort());
        var job = new MpiJob(
            launcher, options, Ranks, MpiJob.Command, "serve", "--model", _golden.Model, "--backend",
            "managed", "--threads", "1", "--NativeFfn:Parallel", "auto", "--NativeFfn:ParallelSeconds", "3",
            "--urls", $"http://127.0.0.1:{http}", "--grpc-urls", $"http://127.0.0.1:{grpc}");
        var served = new ServedJob(
            job, $"/v1/layers/model/{_golden.Layer}/forward", MemoryMarshal.AsBytes(_golden.ReadInput().AsSpan()).ToArray(), http);
        try
        {
            await served.WaitUntilReadyAsync();
            return served;
        }
        catch
        {
            await served.DisposeAsync();
            throw;
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private sealed class ServedJob(MpiJob job, string address, byte[] rows, int port) : IAsyncDisposable
    {
        public MpiJob Job => job;

        public HttpClient Client { get; } = new() { BaseAddress = new Uri($"http://127.0.0.1:{port}"), Timeout = Patience };

        public Task<HttpResponseMessage> PostAsync()
        {
            var content = new ByteArrayContent(rows);
            content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
            return Client.PostAsync(new Uri(address, UriKind.Relative), content);
        }

        public async Task WaitUntilReadyAsync()
        {
            long end = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
            while (true)
            {
                try
                {
                    if ((await Client.GetAsync(new Uri("/healthz/ready", UriKind.Relative))).IsSuccessStatusCode)
                    {
                        return;
                    }
                }
                catch (HttpRequestException)
                {
                    // It does not listen yet.
                }

                Assert.That(Environment.TickCount64, Is.LessThan(end), "the server did not start");
                await Task.Delay(50);
            }
        }

        public ValueTask DisposeAsync()
        {
            Client.Dispose();
            job.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
