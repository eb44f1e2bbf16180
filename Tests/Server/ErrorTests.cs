using System.IO.Pipelines;
using System.Net.Http.Headers;
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using NativeFfn.Hosting;
using NativeFfn.Load.Wire;
using NUnit.Framework;

namespace NativeFfn.Tests.Server;

/// <summary>What the queue throws, as clients see it.</summary>
public sealed class ErrorTests
{
    [TestCase(0.2, "1")]
    [TestCase(2.5, "3")]
    public async Task A_full_queue_is_429_and_says_when_to_come_back(double seconds, string retryAfter)
    {
        await using ServerUnderTest server = await FakeClient.StartFailingAsync(
            new FfnQueueFullException("It is full.", TimeSpan.FromSeconds(seconds)));
        using HttpResponseMessage answer = await server.PostAsync(ServerUnderTest.Rows(1));
        Assert.That(await ServerUnderTest.AssertProblemAsync(answer, 429, "queue-full"), Is.EqualTo("It is full."));
        Assert.That(answer.Headers.GetValues("Retry-After"), Is.EqualTo(new[] { retryAfter }));
    }

    [Test]
    public async Task A_full_queue_turns_away_before_the_body_is_sent_and_keeps_the_connection()
    {
        bool full = true;
        await using ServerUnderTest server = await ServerUnderTest.StartAsync(services => services.AddSingleton<IFfnClient>(
            new FakeClient(static (input, output, _) =>
            {
                input.CopyTo(output);
                return Task.CompletedTask;
            })
            {
                IsFull = _ => full,
            }));
        byte[] request = OneRow();
        int body = ServerUnderTest.Width * sizeof(float);
        using HttpConnection connection = await HttpConnection.OpenAsync(server.Address.Port);
        await connection.Socket.SendAsync(request[..^body]);
        Answer refused = await connection.ReadAsync();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(refused.Status, Is.EqualTo(429));
            Assert.That(refused.RetryAfter, Is.EqualTo(2));
            Assert.That(refused.Closing, Is.False);
            using JsonDocument problem = JsonDocument.Parse(refused.Body);
            Assert.That(problem.RootElement.GetProperty("type").GetString(), Is.EqualTo("urn:nativeffn:queue-full"));
        }

        full = false;
        await connection.Socket.SendAsync(request[^body..]);
        Answer answer = await connection.SendAsync(request);
        Assert.That((answer.Status, answer.Body.Length), Is.EqualTo((200, body)));
    }

    [TestCase("application/octet-stream", false, 3)]
    [TestCase("application/octet-stream", true, 1)]
    [TestCase("application/json", false, 1)]
    public async Task The_queue_is_asked_for_as_many_tokens_as_the_head_tells(string type, bool chunked, int tokens)
    {
        int asked = 0;
        await using ServerUnderTest server = await ServerUnderTest.StartAsync(services => services.AddSingleton<IFfnClient>(
            new FakeClient(static (_, _, _) => Task.CompletedTask)
            {
                IsFull = wanted =>
                {
                    asked = wanted;
                    return true;
                },
            }));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/layers/model/1/forward")
        {
            Content = new ByteArrayContent(MemoryMarshal.AsBytes(ServerUnderTest.Rows(3).AsSpan()).ToArray()),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(type);
        request.Headers.TransferEncodingChunked = chunked;
        using HttpResponseMessage answer = await server.Client.SendAsync(request);
        await ServerUnderTest.AssertProblemAsync(answer, 429, "queue-full");
        Assert.That(asked, Is.EqualTo(tokens));
    }

    [Test]
    public async Task A_passed_deadline_is_504()
    {
        await using ServerUnderTest server = await FakeClient.StartFailingAsync(new FfnDeadlineException("Too late."));
        using HttpResponseMessage answer = await server.PostAsync(ServerUnderTest.Rows(1));
        Assert.That(await ServerUnderTest.AssertProblemAsync(answer, 504, "deadline"), Is.EqualTo("Too late."));
    }

    [TestCase("application/octet-stream", "", 0)]
    [TestCase("application/octet-stream", "", 10)]
    [TestCase("application/octet-stream", "Content-Encoding: gzip\r\n", 0)]
    [TestCase("application/json", "", 10)]
    public async Task A_deadline_that_passes_within_the_body_is_told_then_and_keeps_the_connection(string type, string encoding, int sent)
    {
        int runs = 0;
        await using ServerUnderTest server = await FakeClient.StartAsync((input, output, _) =>
        {
            runs++;
            input.CopyTo(output);
            return Task.CompletedTask;
        });
        byte[] request = OneRow("?deadline=0.05", type, encoding);
        int body = ServerUnderTest.Width * sizeof(float);
        using HttpConnection connection = await HttpConnection.OpenAsync(server.Address.Port);
        await connection.Socket.SendAsync(request[..^(body - sent)]);
        Answer late = await connection.ReadAsync();
        using (Assert.EnterMultipleScope())
        {
            Assert.That((late.Status, late.Closing, runs), Is.EqualTo((504, false, 0)));
            using JsonDocument problem = JsonDocument.Parse(late.Body);
            Assert.That(problem.RootElement.GetProperty("type").GetString(), Is.EqualTo("urn:nativeffn:deadline"));
        }

        await connection.Socket.SendAsync(request[^(body - sent)..]);
        Answer answer = await connection.SendAsync(OneRow());
        Assert.That((answer.Status, answer.Body.Length, runs), Is.EqualTo((200, body, 1)));
    }

    [Test]
    public async Task An_engine_that_is_gone_is_503_and_closes_the_connection()
    {
        await using ServerUnderTest server = await FakeClient.StartFailingAsync(new FfnUnavailableException("Gone."));
        using HttpResponseMessage answer = await server.PostAsync(ServerUnderTest.Rows(1));
        await ServerUnderTest.AssertProblemAsync(answer, 503, "unavailable");
        Assert.Multiple(() =>
        {
            Assert.That(answer.Headers.ConnectionClose, Is.True);
            Assert.That(answer.Headers.GetValues("Retry-After"), Is.EqualTo(new[] { "1" }));
        });
    }

    [Test]
    public async Task What_went_wrong_inside_is_500_and_stays_inside()
    {
        await using ServerUnderTest server = await FakeClient.StartFailingAsync(new InvalidOperationException("a secret of the house"));
        using HttpResponseMessage answer = await server.PostAsync(ServerUnderTest.Rows(1));
        Assert.That(await ServerUnderTest.AssertProblemAsync(answer, 500, "failed"), Does.Not.Contain("secret"));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task A_client_that_leaves_cancels_its_request(bool reset)
    {
        var entered = new TaskCompletionSource();
        var cancelled = new TaskCompletionSource();
        await using ServerUnderTest server = await FakeClient.StartAsync(async (_, _, cancellation) =>
        {
            entered.SetResult();
            using CancellationTokenRegistration registration = cancellation.Register(cancelled.SetResult);
            await Task.Delay(Timeout.Infinite, cancellation);
        });
        HttpConnection connection = await HttpConnection.OpenAsync(server.Address.Port);
        await connection.Socket.SendAsync(OneRow());
        await entered.Task;
        if (reset)
        {
            connection.Reset();
        }

        connection.Dispose();
        await cancelled.Task.WaitAsync(TimeSpan.FromMinutes(1));
    }

    // Only what is 500 is in the log as the server's failure.
    [Test]
    public async Task A_connection_that_is_reset_before_all_of_the_body_came_is_no_failure_of_the_server()
    {
        await using ServerUnderTest server = await ServerUnderTest.StartAsync(
            static services => services.AddSingleton<IStartupFilter>(new ResettingBodies()));
        using HttpResponseMessage answer = await server.PostAsync(ServerUnderTest.Rows(1));
        await ServerUnderTest.AssertProblemAsync(answer, 499, "client-gone");
    }

    [Test]
    public async Task Half_a_body_never_reaches_the_layer()
    {
        bool ran = false;
        await using ServerUnderTest server = await FakeClient.StartAsync((_, _, _) =>
        {
            ran = true;
            return Task.CompletedTask;
        });
        using (HttpConnection connection = await HttpConnection.OpenAsync(server.Address.Port))
        {
            await connection.Socket.SendAsync(OneRow()[..^10]);
        }

        // The server is done with every connection once it has stopped.
        await server.App.StopAsync();
        Assert.That(ran, Is.False);
    }

    [Test]
    public async Task Stopping_finishes_what_was_accepted_and_takes_nothing_new()
    {
        var entered = new TaskCompletionSource();
        var release = new TaskCompletionSource();
        await using ServerUnderTest server = await FakeClient.StartAsync(async (input, output, _) =>
        {
            entered.SetResult();
            await release.Task;
            input.CopyTo(output);
        });
        float[] rows = ServerUnderTest.Rows(1);
        Task<HttpResponseMessage> accepted = server.PostAsync(rows);
        await entered.Task;
        Task stopping = server.App.StopAsync();
        using var late = new HttpClient { BaseAddress = server.Address };
        Assert.That(
            async () => await late.PostAsync(new Uri("/v1/layers/model/1/forward", UriKind.Relative), null),
            Throws.InstanceOf<HttpRequestException>());
        release.SetResult();
        using HttpResponseMessage answer = await accepted;
        Assert.That(await ServerUnderTest.ReadRowsAsync(answer), Is.EqualTo(rows));
        await stopping;
    }

    private static byte[] OneRow(string query = "", string type = "application/octet-stream", string header = "")
    {
        int bytes = ServerUnderTest.Width * sizeof(float);
        byte[] head = System.Text.Encoding.ASCII.GetBytes(
            $"POST /v1/layers/model/1/forward{query} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {type}\r\n{header}" +
            $"Content-Length: {bytes}\r\n\r\n");
        return [.. head, .. new byte[bytes]];
    }

    /// <summary>Has every read of a body fail as one on a connection does that was reset.</summary>
    private sealed class ResettingBodies : IStartupFilter
    {
        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            app.Use(static (context, rest) =>
            {
                var pipe = new Pipe();
                pipe.Writer.Complete(new ConnectionResetException("Connection reset by peer"));
                context.Request.Body = pipe.Reader.AsStream();
                return rest(context);
            });
            next(app);
        };
    }
}
