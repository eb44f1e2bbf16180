using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Families;

/// <summary>The activation names of configurations.</summary>
internal static class ActivationNames
{
    private static readonly ImmutableArray<(string Name, Activation Activation)> Known =
    [
        ("gelu", Activation.Gelu),
        ("gelu_new", Activation.GeluTanh),
        ("gelu_pytorch_tanh", Activation.GeluTanh),
        ("quick_gelu", Activation.QuickGelu),
        ("silu", Activation.Silu),
        ("swish", Activation.Silu),
        ("relu", Activation.Relu),
        ("relu2", Activation.SquaredRelu),
        ("sigmoid", Activation.Sigmoid),
        ("linear", Activation.Identity),
    ];

    /// <summary>The activation that a key of a configuration names.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="key">The key.</param>
    /// <param name="absent">The family's own default.</param>
    public static Activation Read(CheckpointConfig config, string key, string absent) => Parse(config, key, config.Text(key, absent));

    /// <summary>An activation by its name, which a key has in whole or in part.</summary>
    public static Activation Parse(CheckpointConfig config, string key, string name)
    {
        foreach ((string known, Activation activation) in Known)
        {
            if (known == name)
            {
                return activation;
            }
        }

        throw config.Wrong(
            key, $"the unknown activation {CheckpointText.Quote(name)}; supported are {string.Join(", ", Known.Select(static known => known.Name))}");
    }
}
