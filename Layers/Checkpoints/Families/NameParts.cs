namespace NativeFfn.Checkpoints.Families;

/// <summary>What the first part of a tensor's name after the layer's path tells of a tensor that the family has no place for.</summary>
internal static class NameParts
{
    private static readonly string[] Attention = ["attn", "attention", "input_layernorm", "ln_1"];
    private static readonly string[] Norm = ["norm", "ln_"];
    private static readonly string[] Network = ["mlp", "ffn", "feed_forward", "feedforward", "dense", "moe", "expert", "adapter", "lora", "scale"];

    /// <summary>Whether it belongs to the other half of a block.</summary>
    public static bool IsAttention(string part) => HasAny(part, Attention);

    /// <summary>Whether it is a norm.</summary>
    public static bool IsNorm(string part) => HasAny(part, Norm);

    /// <summary>Whether it changes what a feed-forward network computes.</summary>
    public static bool IsNetwork(string part) => HasAny(part, Network);

    private static bool HasAny(string part, string[] words) => words.Any(word => part.Contains(word, StringComparison.OrdinalIgnoreCase));
}
