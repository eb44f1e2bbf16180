using System.Runtime.InteropServices;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using NativeFfn.AspNetCore.Rpc;
using NativeFfn.Hosting;
using NUnit.Framework;

namespace NativeFfn.Tests.Server;

/// <summary>The same layers over gRPC.</summary>
public sealed class GrpcTests
{
    private const string Key = "a-key-for-these-tests";
    private const double Tolerance = 1e-6;

    private ServerUnderTest _server = null!;
    private GrpcChannel _channel = null!;
    private FeedForward.FeedForwardClient _client = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _server = await ServerUnderTest.StartAsync();
        _channel = GrpcChannel.ForAddress(_server.GrpcAddress);
        _client = new FeedForward.FeedForwardClient(_channel);
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        _channel.Dispose();
        await _server.DisposeAsync();
    }

    [Test]
    public async Task The_layers_are_listed()
    {
        ListLayersReply reply = await _client.ListLayersAsync(new ListLayersRequest());
        Assert.Multiple(() =>
        {
            Assert.That(reply.Layers.Select(static layer => layer.Name), Is.EqualTo(new[] { "model/0", "model/1" }));
            Assert.That(reply.Layers[0].InputWidth, Is.EqualTo(ServerUnderTest.Width));
            Assert.That(reply.Layers[0].HiddenWidths, Is.EqualTo(new[] { _server.Layer.Spec.DFf }));
            Assert.That(reply.Layers[0].WeightBytes, Is.Positive);
            Assert.That(reply.Layers[0].Modes, Is.EqualTo(new[] { Mode.Ffn, Mode.Residual, Mode.Block }));
            Assert.That((reply.Layers[0].Experts, reply.Layers[0].TopK), Is.EqualTo((0, 0)));
            Assert.That(reply.Layers[0].Precision, Is.EqualTo("auto"));
            Assert.That(reply.Layers[0].Encodings, Is.EqualTo(new[] { "f32" }));
            Assert.That(reply.Layers[0].Gemms, Is.EqualTo("panels"));
            Assert.That(reply.Layers[0].Backend, Is.EqualTo("managed"));
            Assert.That(reply.Layers[0].BackendVersion, Is.EqualTo(_server.Layer.Engine.Backend.Version));
            Assert.That(reply.Layers[0].Threads, Is.EqualTo(_server.Layer.Engine.Backend.Threads));
        });
    }

    [TestCase(FfnMode.Ffn)]
    [TestCase(FfnMode.Residual)]
    [TestCase(FfnMode.Block)]
    public async Task One_request_has_one_answer(FfnMode mode)
    {
        float[] rows = ServerUnderTest.Rows(3);
        ForwardReply reply = await _client.ForwardAsync(
            Request(rows, Enum.Parse<Mode>($"{mode}")), deadline: DateTime.UtcNow.AddMinutes(1));
        Assert.That(RowsOf(reply), Is.EqualTo(_server.Expected(mode, rows)).Within(Tolerance));
    }

    [Test]
    public async Task A_stream_answers_in_order_and_a_bad_request_fails_alone()
    {
        const int Requests = 50;
        const int Bad = 20;
        using AsyncDuplexStreamingCall<ForwardRequest, ForwardReply> call = _client.ForwardStream();
        Task sending = SendAsync();
        var replies = new List<ForwardReply>();
        await foreach (ForwardReply reply in call.ResponseStream.ReadAllAsync())
        {
            replies.Add(reply);
        }

        await sending;
        Assert.That(replies, Has.Count.EqualTo(Requests));
        Assert.Multiple(() =>
        {
            for (int i = 0; i < Requests; i++)
            {
                if (i == Bad)
                {
                    Assert.That(replies[i].Error.Code, Is.EqualTo((int)StatusCode.NotFound));
                }
                else
                {
                    Assert.That(
                        RowsOf(replies[i]),
                        Is.EqualTo(_server.Expected(FfnMode.Ffn, ServerUnderTest.Rows(1 + (i % 5), i))).Within(Tolerance));
                }
            }
        });

        async Task SendAsync()
        {
            for (int i = 0; i < Requests; i++)
            {
                ForwardRequest request = Request(ServerUnderTest.Rows(1 + (i % 5), i));
                request.Layer = i == Bad ? "model/7" : request.Layer;
                await call.RequestStream.WriteAsync(request);
            }

            await call.RequestStream.CompleteAsync();
        }
    }

    [Test]
    public async Task Bad_requests_have_their_status()
    {
        Assert.That(await StatusOfAsync(new ForwardRequest { Layer = "model/9" }), Is.EqualTo(StatusCode.NotFound));
        Assert.That(await StatusOfAsync(new ForwardRequest { Layer = "model/1", Rows = ByteString.CopyFrom(1, 2, 3) }), Is.EqualTo(
            StatusCode.InvalidArgument));
        Assert.That(await StatusOfAsync(new ForwardRequest { Layer = "model/1" }), Is.EqualTo(StatusCode.InvalidArgument));
        ForwardRequest mode = Request(ServerUnderTest.Rows(1), (Mode)9);
        Assert.That(await StatusOfAsync(mode), Is.EqualTo(StatusCode.InvalidArgument));
        ForwardRequest priority = Request(ServerUnderTest.Rows(1));
        priority.Priority = (Priority)9;
        RpcException refused = await FailureOfAsync(_client.ForwardAsync(priority).ResponseAsync);
        Assert.That(refused.StatusCode, Is.EqualTo(StatusCode.InvalidArgument));
        Assert.That(refused.Status.Detail, Does.StartWith("priority is 9"));
    }

    [Test]
    public async Task A_full_queue_says_when_to_come_back()
    {
        await using ServerUnderTest server = await FakeClient.StartFailingAsync(
            new FfnQueueFullException("It is full.", TimeSpan.FromSeconds(2)));
        using GrpcChannel channel = GrpcChannel.ForAddress(server.GrpcAddress);
        RpcException error = await FailureOfAsync(
            new FeedForward.FeedForwardClient(channel).ForwardAsync(Request(ServerUnderTest.Rows(1))).ResponseAsync);
        Assert.Multiple(() =>
        {
            Assert.That(error.StatusCode, Is.EqualTo(StatusCode.ResourceExhausted));
            Assert.That(error.Trailers.GetValue("grpc-retry-pushback-ms"), Is.EqualTo("2000"));
        });
    }

    [Test]
    public async Task What_went_wrong_inside_stays_inside()
    {
        await using ServerUnderTest server = await FakeClient.StartFailingAsync(new InvalidOperationException("a secret of the house"));
        using GrpcChannel channel = GrpcChannel.ForAddress(server.GrpcAddress);
        RpcException error = await FailureOfAsync(
            new FeedForward.FeedForwardClient(channel).ForwardAsync(Request(ServerUnderTest.Rows(1))).ResponseAsync);
        Assert.That(error.Status.Detail, Does.Not.Contain("secret"));
        Assert.That(error.StatusCode, Is.EqualTo(StatusCode.Internal));
    }

    [Test]
    public async Task A_stream_that_is_cancelled_cancels_its_requests()
    {
        var entered = new TaskCompletionSource();
        var cancelled = new TaskCompletionSource();
        await using ServerUnderTest server = await FakeClient.StartAsync(async (_, _, cancellation) =>
        {
            entered.TrySetResult();
            using CancellationTokenRegistration registration = cancellation.Register(() => cancelled.TrySetResult());
            await Task.Delay(Timeout.Infinite, cancellation);
        });
        using GrpcChannel channel = GrpcChannel.ForAddress(server.GrpcAddress);
        using (AsyncDuplexStreamingCall<ForwardRequest, ForwardReply> call = new FeedForward.FeedForwardClient(channel).ForwardStream())
        {
            await call.RequestStream.WriteAsync(Request(ServerUnderTest.Rows(1)));
            await entered.Task;
        }

        await cancelled.Task.WaitAsync(TimeSpan.FromMinutes(1));
    }

    [Test]
    public async Task Keys_count_here_too()
    {
        await using ServerUnderTest server = await ServerUnderTest.StartAsync($"--Server:ApiKeys:0={Key}");
        using GrpcChannel channel = GrpcChannel.ForAddress(server.GrpcAddress);
        var client = new FeedForward.FeedForwardClient(channel);
        RpcException missing = await FailureOfAsync(client.ListLayersAsync(new ListLayersRequest()).ResponseAsync);
        RpcException wrong = await FailureOfAsync(
            client.ListLayersAsync(new ListLayersRequest(), new Metadata { { "x-api-key", "another-key-altogether" } }).ResponseAsync);
        ListLayersReply reply = await client.ListLayersAsync(
            new ListLayersRequest(), new Metadata { { "authorization", "Bearer " + Key } });
        Assert.Multiple(() =>
        {
            Assert.That(missing.StatusCode, Is.EqualTo(StatusCode.Unauthenticated));
            Assert.That(wrong.StatusCode, Is.EqualTo(StatusCode.PermissionDenied));
            Assert.That(reply.Layers, Is.Not.Empty);
        });
    }

    private async Task<StatusCode> StatusOfAsync(ForwardRequest request) =>
        (await FailureOfAsync(_client.ForwardAsync(request).ResponseAsync)).StatusCode;

    private static async Task<RpcException> FailureOfAsync(Task call)
    {
        try
        {
            await call;
        }
        catch (RpcException error)
        {
            return error;
        }

        Assert.Fail("The call was answered.");
        throw new InvalidOperationException();
    }

    private static ForwardRequest Request(float[] rows, Mode mode = Mode.Ffn) =>
        new() { Layer = "model/1", Mode = mode, Rows = ByteString.CopyFrom(MemoryMarshal.AsBytes(rows.AsSpan())) };

    private static float[] RowsOf(ForwardReply reply) => MemoryMarshal.Cast<byte, float>(reply.Rows.Span).ToArray();
}
