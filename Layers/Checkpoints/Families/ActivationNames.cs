namespace NativeFfn.Checkpoints.Families;

/// <summary>The activation names of configurations.</summary>
internal static class ActivationNames
{
    /// <summary>The activation that a key of a configuration names.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="key">The key.</param>
    /// <param name="absent">The family's own default.</param>
    public static Activation Read(CheckpointConfig config, string key, string absent) => Parse(config, key, config.Text(key, absent));

    /// <summary>An activation by its name, which a key has in whole or in part.</summary>
    public static Activation Parse(CheckpointConfig config, string key, string name) => Activation.OfConfig(name) ?? throw config.Wrong(
        key,
        $"the unknown activation {CheckpointText.Quote(name)}; supported are {string.Join(", ", Activation.All.SelectMany(static known => known.ConfigNames))}");
}
