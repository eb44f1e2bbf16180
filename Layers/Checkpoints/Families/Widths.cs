namespace NativeFfn.Checkpoints.Families;

/// <summary>Rules by which families compute d_ff.</summary>
internal static class Widths
{
    /// <summary>A width rounded up to a multiple.</summary>
    /// <exception cref="CheckpointException">The result passes what a dimension may be.</exception>
    public static int RoundUp(CheckpointConfig config, double width, int multiple) =>
        Checked(config, Math.Ceiling(width / multiple) * multiple);

    /// <summary>A multiple of d_model, as <c>mlp_ratio</c> has it, cut to an integer.</summary>
    /// <param name="key">The key of the multiple.</param>
    /// <param name="absent">The multiple where the key is absent.</param>
    public static Func<CheckpointConfig, int, int, int> Ratio(string key, float absent = 4) =>
        (config, dModel, _) => Checked(config, Math.Floor((double)config.Factor(key, absent) * dModel));

    /// <summary>A share of what a key says.</summary>
    /// <param name="key">The key.</param>
    /// <param name="divisor">What it is divided by.</param>
    public static Func<CheckpointConfig, int, int, int> Share(string key, int divisor) => (config, _, layer) =>
        config.SizeAt(key, layer) / divisor;

    /// <summary>LFM2: two thirds of the width, times a factor, rounded up, unless the configuration leaves it as it is.</summary>
    public static int Lfm2(CheckpointConfig config, int dModel, int layer)
    {
        int width = config.Size("block_ff_dim|intermediate_size");
        return config.Flag(new(true, "block_auto_adjust_ff_dim"))
            ? RoundUp(config, Math.Floor(config.Factor("block_ffn_dim_multiplier", 1) * (double)(2L * width / 3)),
                config.Size("block_multiple_of", 256))
            : width;
    }

    /// <summary>DINOv2's gated network: two thirds of the plain one's width, rounded up to 8.</summary>
    public static int DinoGated(CheckpointConfig config, int dModel, int layer) =>
        RoundUp(config, Ratio("mlp_ratio")(config, dModel, layer) * 2L / 3, 8);

    /// <summary>OpenELM: every layer's own multiple of d_model, to the nearest multiple of a divisor, but not a tenth less.</summary>
    public static int OpenElm(CheckpointConfig config, int dModel, int layer)
    {
        int divisor = config.Size("ffn_dim_divisor", 256);
        double width = (double)config.FactorAt("ffn_multipliers", layer, 4) * dModel;
        double rounded = Math.Max(divisor, Math.Floor((width + (divisor / 2.0)) / divisor) * divisor);
        return Checked(config, rounded < 0.9 * width ? rounded + divisor : rounded);
    }

    /// <summary>Refact: two thirds of what the key says, which is four times d_model where it is absent, rounded up to 256.</summary>
    public static int Refact(CheckpointConfig config, int dModel, int layer) =>
        RoundUp(config, 2L * config.Size("n_inner", 4 * dModel) / 3, 256);

    /// <summary>
    /// A layer of Nemotron-NAS has its own multiple of d_model, or another matrix, or nothing, in the place of the network.
    /// </summary>
    public static int Nas(CheckpointConfig config, int dModel, int layer)
    {
        if (config.Item("block_configs", layer)?.Section("ffn") is not { } block)
        {
            return config.SizeAt("intermediate_size", layer);
        }

        bool hasNone = block.Flag(new(false, "no_op")) || block.Flag(new(false, "replace_with_linear")) || !block.Has("ffn_mult");
        return hasNone ? 0 : RoundUp(config, Math.Floor(2 * (double)block.Factor("ffn_mult", 1) * dModel / 3), 256);
    }

    private static int Checked(CheckpointConfig config, double width) => width is >= 1 and <= CheckpointConfig.MaxSize
        ? (int)width
        : throw new CheckpointException(
            $"{config.Path}: means a d_ff of {width}; it must be 1 to {CheckpointConfig.MaxSize}. Correct config.json.");
}
