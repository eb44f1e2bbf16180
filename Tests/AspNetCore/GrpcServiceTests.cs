using System.Runtime.InteropServices;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Grpc.Reflection.V1;
using NativeFfn.AspNetCore;
using NativeFfn.AspNetCore.Rpc;
using NUnit.Framework;
using Alpha = Grpc.Reflection.V1Alpha;

namespace NativeFfn.Tests.AspNetCore;

/// <summary>gRPC in an application of somebody's own: the layers, who asks for health, and who knows nothing but the address.</summary>
public sealed class GrpcServiceTests
{
    private const string Key = "a-key-for-these-tests";
    private const string Service = "nativeffn.v1.FeedForward";

    private static readonly Metadata WithKey = new() { { "x-api-key", Key } };

    [Test]
    public async Task A_client_that_knows_the_address_alone_finds_services_and_messages()
    {
        await using EndpointApp app = await StartAsync();
        using GrpcChannel channel = GrpcChannel.ForAddress(app.GrpcAddress);
        using AsyncDuplexStreamingCall<ServerReflectionRequest, ServerReflectionResponse> call =
            new ServerReflection.ServerReflectionClient(channel).ServerReflectionInfo(WithKey);
        await call.RequestStream.WriteAsync(new ServerReflectionRequest { ListServices = string.Empty });
        Assert.That(await call.ResponseStream.MoveNext(), Is.True);
        Assert.That(
            call.ResponseStream.Current.ListServicesResponse.Service.Select(static service => service.Name),
            Is.EquivalentTo(new[]
            {
                Service, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
            }));
        await call.RequestStream.WriteAsync(new ServerReflectionRequest { FileContainingSymbol = Service });
        Assert.That(await call.ResponseStream.MoveNext(), Is.True);
        ByteString file = call.ResponseStream.Current.FileDescriptorResponse.FileDescriptorProto.Last();
        string[] methods = [.. Google.Protobuf.Reflection.FileDescriptorProto.Parser.ParseFrom(file).Service.Single().Method.Select(
            static method => method.Name)];
        Assert.That(methods, Is.EqualTo(new[] { "ListLayers", "Forward", "ForwardStream" }));
        await call.RequestStream.CompleteAsync();
    }

    [Test]
    public async Task Reflection_needs_the_key_and_speaks_the_older_protocol_too()
    {
        await using EndpointApp app = await StartAsync();
        using GrpcChannel channel = GrpcChannel.ForAddress(app.GrpcAddress);
        var client = new Alpha.ServerReflection.ServerReflectionClient(channel);
        using AsyncDuplexStreamingCall<Alpha.ServerReflectionRequest, Alpha.ServerReflectionResponse> stranger =
            client.ServerReflectionInfo();
        Assert.That(
            () => stranger.ResponseStream.MoveNext(),
            Throws.TypeOf<RpcException>().With.Property("StatusCode").EqualTo(StatusCode.Unauthenticated));
        using AsyncDuplexStreamingCall<Alpha.ServerReflectionRequest, Alpha.ServerReflectionResponse> call =
            client.ServerReflectionInfo(WithKey);
        await call.RequestStream.WriteAsync(new Alpha.ServerReflectionRequest { ListServices = string.Empty });
        Assert.That(await call.ResponseStream.MoveNext(), Is.True);
        Assert.That(
            call.ResponseStream.Current.ListServicesResponse.Service.Select(static service => service.Name), Does.Contain(Service));
        await call.RequestStream.CompleteAsync();
    }

    [TestCase("")]
    [TestCase(Service)]
    public async Task Health_is_told_without_a_key(string service)
    {
        await using EndpointApp app = await StartAsync();
        using GrpcChannel channel = GrpcChannel.ForAddress(app.GrpcAddress);
        HealthCheckResponse health = await new Health.HealthClient(channel).CheckAsync(new HealthCheckRequest { Service = service });
        Assert.That(health.Status, Is.EqualTo(HealthCheckResponse.Types.ServingStatus.Serving));
    }

    [Test]
    public async Task Rows_and_layers_need_the_key_and_come_back()
    {
        await using EndpointApp app = await StartAsync();
        using GrpcChannel channel = GrpcChannel.ForAddress(app.GrpcAddress);
        var client = new FeedForward.FeedForwardClient(channel);
        float[] rows = EndpointApp.Rows(2);
        var request = new ForwardRequest
        {
            Layer = "made/1", Rows = ByteString.CopyFrom(MemoryMarshal.AsBytes(rows.AsSpan())), Priority = Priority.High,
        };
        Assert.That(
            () => client.ForwardAsync(request).ResponseAsync,
            Throws.TypeOf<RpcException>().With.Property("StatusCode").EqualTo(StatusCode.Unauthenticated));
        ForwardReply reply = await client.ForwardAsync(request, WithKey);
        Assert.That(
            MemoryMarshal.Cast<byte, float>(reply.Rows.Span).ToArray(), Is.EqualTo(app.Expected(rows, "made/1")).Within(1e-6));
        ListLayersReply list = await client.ListLayersAsync(new ListLayersRequest(), WithKey);
        Assert.That((list.Layers[1].Experts, list.Layers[1].TopK), Is.EqualTo((4, 2)));
    }

    [Test]
    public async Task What_is_turned_off_is_not_there()
    {
        await using EndpointApp app = await EndpointApp.StartAsync(static app => app.MapNativeFfnGrpc(), static builder =>
        {
            builder.Services.AddNativeFfnEndpoints(static options => (options.GrpcHealth, options.GrpcReflection) = (false, false));
            builder.Services.AddNativeFfnGrpc();
        });
        using GrpcChannel channel = GrpcChannel.ForAddress(app.GrpcAddress);
        Assert.That(
            () => new Health.HealthClient(channel).CheckAsync(new HealthCheckRequest()).ResponseAsync,
            Throws.TypeOf<RpcException>().With.Property("StatusCode").EqualTo(StatusCode.Unimplemented));
        ListLayersReply list = await new FeedForward.FeedForwardClient(channel).ListLayersAsync(new ListLayersRequest());
        Assert.That(list.Layers, Has.Count.EqualTo(2));
    }

    private static Task<EndpointApp> StartAsync() => EndpointApp.StartAsync(static app => app.MapNativeFfnGrpc(), static builder =>
    {
        builder.Services.AddNativeFfnEndpoints(static options => options.ApiKeys = [Key]);
        builder.Services.AddNativeFfnGrpc();
    });
}
