using Grpc.Health.V1;
using Grpc.Reflection;
using Microsoft.Extensions.Options;
using Descriptor = Google.Protobuf.Reflection.ServiceDescriptor;
using V1 = Grpc.Reflection.V1;
using V1Alpha = Grpc.Reflection.V1Alpha;

namespace NativeFfn.AspNetCore.Rpc;

/// <summary>gRPC's reflection of the services that are mapped here.</summary>
/// <remarks>They are named one by one: looking for all services of an application would need reflection that trimming takes away.</remarks>
internal sealed class LayerReflection(IOptions<NativeFfnEndpointOptions> options) : ReflectionV1ServiceImpl(DescriptorsOf(options.Value))
{
    /// <summary>What is mapped.</summary>
    public static Descriptor[] DescriptorsOf(NativeFfnEndpointOptions options) =>
    [
        FeedForward.Descriptor, V1.ServerReflection.Descriptor, V1Alpha.ServerReflection.Descriptor,
        .. options.GrpcHealth ? (Descriptor[])[Health.Descriptor] : [],
    ];
}

/// <summary>The same by the protocol that most clients still speak.</summary>
internal sealed class AlphaLayerReflection(IOptions<NativeFfnEndpointOptions> options)
    : ReflectionServiceImpl(LayerReflection.DescriptorsOf(options.Value));
