using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;
using NativeFfn.Checkpoints.Families;

namespace NativeFfn.Fuzzing;

/// <summary>Small valid inputs from which mutations start; together they reach every part of the reader.</summary>
public static class SeedCorpus
{
    private const string LlamaConfig =
        """{"model_type":"llama","hidden_size":2,"intermediate_size":3,"num_hidden_layers":1,"hidden_act":"silu","rms_norm_eps":1e-05}""";

    private const string LlamaHeader =
        """{"model.layers.0.mlp.gate_proj.weight":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]},"model.layers.0.mlp.up_proj.weight":{"dtype":"F32","shape":[3,2],"data_offsets":[24,48]},"model.layers.0.mlp.down_proj.weight":{"dtype":"BF16","shape":[2,3],"data_offsets":[48,60]},"model.layers.0.post_attention_layernorm.weight":{"dtype":"F16","shape":[2],"data_offsets":[60,64]}}""";

    private const string Gpt2Config =
        """{"model_type":"gpt2","n_embd":2,"n_inner":3,"n_layer":1,"activation_function":"gelu_new"}""";

    private const string Gpt2Header =
        """{"h.0.mlp.c_fc.weight":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},"h.0.mlp.c_fc.bias":{"dtype":"F16","shape":[3],"data_offsets":[12,18]},"h.0.mlp.c_proj.weight":{"dtype":"F16","shape":[3,2],"data_offsets":[18,30]},"h.0.mlp.c_proj.bias":{"dtype":"F16","shape":[2],"data_offsets":[30,34]}}""";

    private const string Phi3Config =
        """{"model_type":"phi3","hidden_size":2,"intermediate_size":1,"num_hidden_layers":1,"hidden_act":"silu"}""";

    private const string Phi3Header =
        """{"model.layers.0.mlp.gate_up_proj.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"model.layers.0.mlp.down_proj.weight":{"dtype":"F32","shape":[2,1],"data_offsets":[16,24]}}""";

    private const string T5Config =
        """{"model_type":"t5","d_model":1,"d_ff":1,"num_layers":1,"feed_forward_proj":"gated-gelu"}""";

    private const string T5Header =
        """{"encoder.block.0.layer.1.DenseReluDense.wi_0.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"encoder.block.0.layer.1.DenseReluDense.wi_1.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[4,8]},"encoder.block.0.layer.1.DenseReluDense.wo.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]}}""";

    private const string ArceeConfig =
        """{"model_type":"arcee","hidden_size":1,"intermediate_size":1,"num_hidden_layers":1,"hidden_act":"relu2"}""";

    private const string ArceeHeader =
        """{"layers.0.mlp.up_proj.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"layers.0.mlp.down_proj.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[4,8]}}""";

    private const string StackConfig =
        """{"model_type":"mlp","layer_sizes":[2,1,2],"hidden_act":"gelu_pytorch_tanh","gated":true,"bias":true,"num_stacks":1}""";

    private const string StackHeader =
        """{"stacks.0.layers.0.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"stacks.0.layers.0.bias":{"dtype":"F16","shape":[1],"data_offsets":[8,10]},"stacks.0.layers.0.up.weight":{"dtype":"BF16","shape":[1,2],"data_offsets":[10,14]},"stacks.0.layers.0.up.bias":{"dtype":"F16","shape":[1],"data_offsets":[14,16]},"stacks.0.layers.1.weight":{"dtype":"F32","shape":[2,1],"data_offsets":[16,24]},"stacks.0.layers.1.bias":{"dtype":"F32","shape":[2],"data_offsets":[24,32]}}""";

    private const string MixtralConfig =
        """{"model_type":"mixtral","hidden_size":2,"intermediate_size":1,"num_hidden_layers":1,"num_local_experts":2,"num_experts_per_tok":1}""";

    private const string MixtralHeader =
        """{"model.layers.0.block_sparse_moe.gate.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"model.layers.0.block_sparse_moe.experts.0.w1.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[16,24]},"model.layers.0.block_sparse_moe.experts.0.w3.weight":{"dtype":"BF16","shape":[1,2],"data_offsets":[24,28]},"model.layers.0.block_sparse_moe.experts.0.w2.weight":{"dtype":"F16","shape":[2,1],"data_offsets":[28,32]},"model.layers.0.block_sparse_moe.experts.1.w1.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[32,40]},"model.layers.0.block_sparse_moe.experts.1.w3.weight":{"dtype":"BF16","shape":[1,2],"data_offsets":[40,44]},"model.layers.0.block_sparse_moe.experts.1.w2.weight":{"dtype":"F16","shape":[2,1],"data_offsets":[44,48]},"model.layers.0.post_attention_layernorm.weight":{"dtype":"F32","shape":[2],"data_offsets":[48,56]}}""";

    private const string Qwen2MoeConfig =
        """{"model_type":"qwen2_moe","hidden_size":2,"intermediate_size":3,"moe_intermediate_size":1,"shared_expert_intermediate_size":1,"num_hidden_layers":1,"num_experts":3,"num_experts_per_tok":2,"norm_topk_prob":false,"decoder_sparse_step":1,"mlp_only_layers":[]}""";

    private const string Qwen2MoeHeader =
        """{"model.layers.0.mlp.gate.weight":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]},"model.layers.0.mlp.experts.gate_up_proj":{"dtype":"BF16","shape":[3,2,2],"data_offsets":[24,48]},"model.layers.0.mlp.experts.down_proj":{"dtype":"F32","shape":[3,2,1],"data_offsets":[48,72]},"model.layers.0.mlp.shared_expert.gate_proj.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[72,80]},"model.layers.0.mlp.shared_expert.up_proj.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[80,88]},"model.layers.0.mlp.shared_expert.down_proj.weight":{"dtype":"F32","shape":[2,1],"data_offsets":[88,96]},"model.layers.0.mlp.shared_expert_gate.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[96,104]}}""";

    private const string DeepSeekConfig =
        """{"model_type":"deepseek_v3","hidden_size":2,"intermediate_size":3,"moe_intermediate_size":1,"num_hidden_layers":2,"n_routed_experts":4,"n_shared_experts":1,"num_experts_per_tok":2,"first_k_dense_replace":1,"n_group":2,"topk_group":1,"routed_scaling_factor":2.5,"scoring_func":"sigmoid"}""";

    private const string DeepSeekHeader =
        """{"model.layers.0.mlp.gate_proj.weight":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]},"model.layers.0.mlp.up_proj.weight":{"dtype":"F32","shape":[3,2],"data_offsets":[24,48]},"model.layers.0.mlp.down_proj.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[48,72]},"model.layers.1.mlp.gate.weight":{"dtype":"F32","shape":[4,2],"data_offsets":[72,104]},"model.layers.1.mlp.gate.e_score_correction_bias":{"dtype":"F32","shape":[4],"data_offsets":[104,120]},"model.layers.1.mlp.experts.0.gate_proj.weight":{"dtype":"BF16","shape":[1,2],"data_offsets":[120,124]},"model.layers.1.mlp.experts.0.up_proj.weight":{"dtype":"BF16","shape":[1,2],"data_offsets":[124,128]},"model.layers.1.mlp.experts.0.down_proj.weight":{"dtype":"BF16","shape":[2,1],"data_offsets":[128,132]},"model.layers.1.mlp.experts.1.gate_proj.weight":{"dtype":"BF16","shape":[1,2],"data_offsets":[132,136]},"model.layers.1.mlp.experts.1.up_proj.weight":{"dtype":"BF16","shape":[1,2],"data_offsets":[136,140]},"model.layers.1.mlp.experts.1.down_proj.weight":{"dtype":"BF16","shape":[2,1],"data_offsets":[140,144]},"model.layers.1.mlp.experts.2.gate_proj.weight":{"dtype":"BF16","shape":[1,2],"data_offsets":[144,148]},"model.layers.1.mlp.experts.2.up_proj.weight":{"dtype":"BF16","shape":[1,2],"data_offsets":[148,152]},"model.layers.1.mlp.experts.2.down_proj.weight":{"dtype":"BF16","shape":[2,1],"data_offsets":[152,156]},"model.layers.1.mlp.experts.3.gate_proj.weight":{"dtype":"BF16","shape":[1,2],"data_offsets":[156,160]},"model.layers.1.mlp.experts.3.up_proj.weight":{"dtype":"BF16","shape":[1,2],"data_offsets":[160,164]},"model.layers.1.mlp.experts.3.down_proj.weight":{"dtype":"BF16","shape":[2,1],"data_offsets":[164,168]},"model.layers.1.mlp.shared_experts.gate_proj.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[168,176]},"model.layers.1.mlp.shared_experts.up_proj.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[176,184]},"model.layers.1.mlp.shared_experts.down_proj.weight":{"dtype":"F32","shape":[2,1],"data_offsets":[184,192]}}""";

    /// <summary>Every seed with a name that may be a file's.</summary>
    public static ImmutableArray<(string Name, byte[] Bytes)> All { get; } =
    [
        ("empty", SafeTensors("{}", 0)),
        ("padded", SafeTensors("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}       """, 8)),
        ("types", SafeTensors(
            """{"__metadata__":{"format":"pt","\u00e4":"\n"},"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"b":{"dtype":"BF16","shape":[1,3],"data_offsets":[4,10]},"h":{"dtype":"F16","shape":[2,1],"data_offsets":[10,14]},"z":{"dtype":"F16","shape":[0,5],"data_offsets":[14,14]}}""",
            14)),
        ("integers", SafeTensors("""{"i":{"data_offsets":[0,16],"shape":[2],"dtype":"I64"},"u":{"shape":[3],"dtype":"U8","data_offsets":[16,19]}}""", 19)),
        ("llama", Model(LlamaConfig, SafeTensors(LlamaHeader, 64))),
        ("gpt2", Model(Gpt2Config, SafeTensors(Gpt2Header, 34))),
        ("phi3", Model(Phi3Config, SafeTensors(Phi3Header, 24))),
        ("t5", Model(T5Config, SafeTensors(T5Header, 12))),
        ("arcee", Model(ArceeConfig, SafeTensors(ArceeHeader, 8))),
        ("mlp", Model(StackConfig, SafeTensors(StackHeader, 32))),
        ("mixtral", Model(MixtralConfig, SafeTensors(MixtralHeader, 56))),
        ("qwen2_moe", Model(Qwen2MoeConfig, SafeTensors(Qwen2MoeHeader, 104))),
        ("deepseek_v3", Model(DeepSeekConfig, SafeTensors(DeepSeekHeader, 192))),
        .. GgufSeeds.All,
        .. QuantisedSeeds.All.Select(static seed => (seed.Name, Model(seed.Config, seed.File))),
        .. FamilyCatalog.Rows.Select(static row => new FamilySeed(row.ModelTypes[0], form: 0)).Select(static seed => (seed.Name, Model(seed.Config, seed.File))),
    ];

    /// <summary>A safetensors file of a header and data that count up.</summary>
    internal static byte[] SafeTensors(string header, int dataLength)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        byte[] file = new byte[sizeof(ulong) + json.Length + dataLength];
        BinaryPrimitives.WriteUInt64LittleEndian(file, (ulong)json.Length);
        json.CopyTo(file, sizeof(ulong));
        for (int i = 0; i < dataLength; i++)
        {
            file[sizeof(ulong) + json.Length + i] = (byte)i;
        }

        return file;
    }

    private static byte[] Model(string config, byte[] file) => [.. Encoding.UTF8.GetBytes(config), 0, .. file];
}
