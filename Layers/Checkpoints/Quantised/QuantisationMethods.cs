using System.Collections.Frozen;
using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>
/// The table of methods of quantisation by their names in configurations. Another one is a file in Methods and a line here.
/// </summary>
internal static class QuantisationMethods
{
    private static readonly FrozenDictionary<string, Func<QuantisationConfig, ImmutableArray<QuantisedForm>>> Known =
        new Dictionary<string, Func<QuantisationConfig, ImmutableArray<QuantisedForm>>>
        {
            ["gptq"] = Gptq.Forms,
            ["awq"] = Awq.Forms,
            ["auto-round"] = AutoRound,
            ["intel/auto-round"] = AutoRound,
            ["compressed-tensors"] = CompressedTensors.Forms,
            ["fp8"] = Fp8.Forms,
            ["fbgemm_fp8"] = Fp8.Forms,
            ["modelopt"] = static _ => Modelopt.Forms,
            ["modelopt_fp4"] = static _ => Modelopt.Forms,
            ["bitsandbytes"] = static _ => Bitsandbytes.Forms,
            ["mxfp4"] = static _ => Mxfp4.Forms,
            ["mlx"] = static config => Mlx.Forms(config),
            ["metal"] = static config => Mlx.Forms(config, ".qbiases"),
            ["bitnet"] = BitNet.Forms,
            ["gemma"] = GemmaCodes.Forms,
        }.ToFrozenDictionary();

    /// <summary>The names, in order.</summary>
    public static IEnumerable<string> Names => Known.Keys.Order(StringComparer.Ordinal);

    /// <summary>The forms in which a method stores matrices.</summary>
    /// <param name="method">Its name.</param>
    /// <param name="config">What the checkpoint says of it.</param>
    /// <exception cref="CheckpointException">The method is not read, or not in this variant.</exception>
    public static ImmutableArray<QuantisedForm> Forms(string method, QuantisationConfig config) => Known.TryGetValue(method, out var forms)
        ? forms(config)
        : throw config.Wrong("quant_method", $"{CheckpointText.Quote(method)}, {WhyNot(method)}; supported are {string.Join(", ", Names)}");

    private static string WhyNot(string method) => method switch
    {
        "torchao" => "which stores classes of its library and no tensors; save the model dequantised, or take another checkpoint",
        "marlin" or "gptq_marlin" or "awq_marlin" or "ipex" =>
            "whose order of codes was made for one kernel; take the checkpoint in the format 'gptq' or 'awq'",
        "hqq" or "quanto" or "eetq" or "aqlm" or "vptq" or "quip" or "higgs" or "spqr"
            or "quark" or "fp_quant" or "sinq" or "exl2" or "exl3" =>
            "a method that this version does not read; take a checkpoint that was quantised another way",
        _ => "a method that is not known; take a checkpoint that was quantised another way",
    };

    private static ImmutableArray<QuantisedForm> AutoRound(QuantisationConfig config)
    {
        string packing = config.Text("packing_format") ?? "auto_round:auto_gptq";
        return packing switch
        {
            "auto_round:auto_gptq" or "auto_round:gptq" or "auto_gptq" or "gptq" => Gptq.Forms(config),
            "auto_round:auto_awq" or "auto_round:awq" or "auto_awq" or "awq" => Awq.Forms(config),
            _ => throw config.Wrong(
                "packing_format", $"{CheckpointText.Quote(packing)}; supported are auto_round:auto_gptq and auto_round:auto_awq"),
        };
    }
}
