using System.Collections.Immutable;
using System.CommandLine;
using NativeFfn.Checkpoints;

namespace NativeFfn.Cli.Options;

/// <summary>Options that several commands share, so that they are spelled and checked alike.</summary>
internal static class CommonOptions
{
    // More layers than any network has; a bound against a mistyped number.
    private const int MaxLayer = 1_000_000;

    // Mixtral's.
    private const int DefaultTopK = 2;

    public static Option<string> Model() =>
        OptionFactory.Text("--model", "DIR|FILE", "The checkpoint: a folder with config.json, or a .safetensors file beside one.",
            required: true);

    /// <summary>The tower of a model that has several; null where the option was left out.</summary>
    public static Option<CheckpointTower?> Tower() => OptionFactory.Word<CheckpointTower?>(
        "--tower",
        string.Join('|', Names<CheckpointTower>.All),
        "The part of a model that has several; if left out, the text model, or encoder and decoder together.",
        "one of " + string.Join(", ", Names<CheckpointTower>.All),
        static (string word, out CheckpointTower? value) =>
        {
            bool known = Names<CheckpointTower>.TryParse(word, out CheckpointTower tower);
            value = tower;
            return known;
        });

    public static Option<int> Layer() => OptionFactory.Integer("--layer", "N", "The layer, counted from 0.", 0, MaxLayer, 0);

    public static Option<bool> Json() => new("--json") { Description = "Print JSON instead of text." };

    /// <summary>Backends that must be there; the value is <c>default</c> where the option was left out.</summary>
    public static Option<ImmutableArray<BackendKind>> RequiredBackends()
    {
        string names = string.Join(", ", Names<BackendKind>.All.Skip(1));
        return OptionFactory.List<BackendKind>(
            "--require",
            $"Backends ({names}) with commas between them, without which the command fails; none if left out.",
            $"one or several of {names} with commas between them",
            static (string word, out BackendKind kind) => Names<BackendKind>.TryParse(word, out kind) && kind != BackendKind.Auto);
    }

    // Left out, an enumeration is its first value: ffn.
    public static Option<FfnMode> Mode() => OptionFactory.Word<FfnMode>(
        "--mode",
        string.Join('|', Names<FfnMode>.All),
        "FFN(x), x + FFN(x), or the whole half block with its norms; ffn if left out.",
        "one of " + string.Join(", ", Names<FfnMode>.All),
        Names<FfnMode>.TryParse);

    public static Option<FfnKind> Kind(string description) => OptionFactory.Word<FfnKind>(
        "--kind", "NAME", description, "one of " + string.Join(", ", FfnKind.Named), FfnKind.TryParse);

    public static Option<LayerShape?> Shape(string description) => OptionFactory.Word<LayerShape?>(
        "--shape", "DxF", description, "d_model x d_ff, both positive, such as 2048x5632", LayerShape.TryParse);

    public static Option<int> Experts() => OptionFactory.Integer(
        "--experts", "E", "Experts of a mixture, each of the shape's d_ff; no mixture if left out.", 1, MixtureSpec.MaxExperts);

    public static Option<int> TopK() => OptionFactory.Integer(
        "--top-k", "K", $"Experts that a token is sent to; {DefaultTopK} of --experts if left out.", 1, MixtureSpec.MaxExperts);

    /// <summary>The mixture of both options; null where there are no experts.</summary>
    /// <exception cref="UsageException">They contradict each other.</exception>
    public static MixtureSpec? Mixture(int experts, int topK)
    {
        if (experts == 0)
        {
            return topK == 0 ? null : throw new UsageException($"--top-k {topK} is for mixtures; give --experts too.");
        }

        return topK <= experts
            ? new MixtureSpec(experts, topK == 0 ? Math.Min(DefaultTopK, experts) : topK)
            : throw new UsageException($"--top-k {topK} is more than the {experts} experts of --experts.");
    }
}
