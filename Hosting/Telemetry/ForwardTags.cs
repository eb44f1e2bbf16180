namespace NativeFfn.Hosting.Telemetry;

/// <summary>What measurements of a layer's forwards in a mode are tagged with, made once.</summary>
/// <param name="engine">The engine's name.</param>
/// <param name="layer">The layer's name.</param>
/// <param name="mode">The mode.</param>
internal sealed class ForwardTags(string engine, string layer, FfnMode mode)
{
    public const string Engine = "nativeffn.engine";
    public const string Layer = "nativeffn.layer";
    public const string Mode = "nativeffn.mode";
    public const string Direct = "nativeffn.direct";

    private readonly KeyValuePair<string, object?>[] _direct = Make(engine, layer, mode, isDirect: true);
    private readonly KeyValuePair<string, object?>[] _queued = Make(engine, layer, mode, isDirect: false);

    /// <summary>Engine, layer and mode.</summary>
    public ReadOnlySpan<KeyValuePair<string, object?>> All => _direct.AsSpan(0, _direct.Length - 1);

    /// <summary>Those, and whether a request ran on its caller's thread.</summary>
    public ReadOnlySpan<KeyValuePair<string, object?>> With(bool isDirect) => isDirect ? _direct : _queued;

    private static KeyValuePair<string, object?>[] Make(string engine, string layer, FfnMode mode, bool isDirect) =>
        [new(Engine, engine), new(Layer, layer), new(Mode, mode.ToString().ToLowerInvariant()), new(Direct, isDirect)];
}
