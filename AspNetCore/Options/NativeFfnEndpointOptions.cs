namespace NativeFfn.AspNetCore;

/// <summary>Limits and keys of the endpoints: the configuration section <c>NativeFfnEndpoints</c>. Read at start.</summary>
public sealed class NativeFfnEndpointOptions
{
    /// <summary>The section that is read where no other is named.</summary>
    public const string SectionName = "NativeFfnEndpoints";

    /// <summary>
    /// Keys of which a request must bring one, as <c>Authorization: Bearer KEY</c> or <c>X-Api-Key: KEY</c>: visible ASCII, at least 16
    /// characters each. None means that these endpoints ask for no key; who else may call them is then for the application's authorization.
    /// </summary>
    public string[] ApiKeys { get; set; } = [];

    /// <summary>The largest body, in bytes, as it arrives and as it is decompressed: 16 MiB unless configured, 2048 rows of 2048.</summary>
    public long MaxRequestBytes { get; set; } = 16 * 1024 * 1024;

    /// <summary>Bytes that the bodies of all requests and their answers may occupy at a time: 1 GiB unless configured.</summary>
    public long MaxBufferedBytes { get; set; } = 1024 * 1024 * 1024;

    /// <summary>Whether a model may be read again over HTTP; off where that is for the application itself (<c>IFfnModels</c>).</summary>
    public bool ModelReload { get; set; } = true;

    /// <summary>Whether <c>grpc.health.v1</c> is served with the layers; off where the application maps its own.</summary>
    public bool GrpcHealth { get; set; } = true;

    /// <summary>Whether gRPC's reflection is served with the layers; off where the application maps its own, or tells nobody.</summary>
    public bool GrpcReflection { get; set; } = true;

    /// <summary>The configuration path that errors name.</summary>
    internal string Section { get; set; } = SectionName;
}
