using NativeFfn.Checkpoints;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>Checkpoints of stacks: what is read, and what is refused by name.</summary>
public sealed class StackCheckpointTests
{
    private static readonly (string Name, long[] Shape)[] Tensors =
    [
        ("stacks.0.layers.0.weight", [3, 2]), ("stacks.0.layers.1.weight", [4, 3]), ("stacks.0.layers.2.weight", [1, 4]),
    ];

    [Test]
    public void Widths_kinds_and_weights_are_those_of_the_file()
    {
        using var model = new TempModel(Config("\"layer_sizes\": [2, 3, 4, 1]"), Tensors);
        FfnCheckpointLayer layer = model.Layer(0);
        float[] last = new float[4];
        layer.Weights.ReadRows(layer.Spec.Tensors[^1], 0, last);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(layer.Spec.ToString(), Is.EqualTo("stack 2 -> 3 tanh -> 4 tanh -> 1 identity"));
            Assert.That(layer.Spec.Stages.Any(static stage => stage.HasBias), Is.False);
            Assert.That(layer.WeightType, Is.EqualTo("F32"));
            Assert.That(last, Is.Ordered.Ascending.And.Unique, "they count up");
        }
    }

    [TestCase("\"layer_sizes\": [2]", "'layer_sizes' is a list of 1")]
    [TestCase("\"sizes\": [2, 3]", "'layer_sizes' is a list of 0")]
    [TestCase("\"layer_sizes\": 2", "'layer_sizes' is '2'")]
    [TestCase("\"layer_sizes\": [2, 0, 1]", "widths must be positive")]
    [TestCase("\"layer_sizes\": [16777216, 16777216]", "at most 2147483647")]
    [TestCase("\"layer_sizes\": [2, 16777217]", "'layer_sizes' is '16777217'")]
    [TestCase("\"layer_sizes\": [2, 3, 4, 1], \"gated\": 1", "'gated' is '1'")]
    [TestCase("\"layer_sizes\": [2, 3, 4, 1], \"num_stacks\": 0", "'num_stacks' is '0'")]
    [TestCase("\"layer_sizes\": [2, 3, 4, 1], \"num_stacks\": 2", "has no tensor 'stacks.1.layers.0.weight'")]
    [TestCase("\"layer_sizes\": [2, 3, 4, 1], \"bias\": true", "has no tensor 'stacks.0.layers.0.bias'")]
    [TestCase("\"layer_sizes\": [2, 3, 4, 1], \"gated\": true", "has no tensor 'stacks.0.layers.0.up.weight'")]
    [TestCase("\"layer_sizes\": [2, 3, 4]", "has tensor 'stacks.0.layers.2.weight'")]
    [TestCase("\"layer_sizes\": [2, 3, 5, 1]", "'stacks.0.layers.1.weight' has shape [4, 3]; the configuration asks for [5, 3]")]
    public void What_does_not_fit_is_refused(string sizes, string problem)
    {
        using var model = new TempModel(Config(sizes), Tensors);
        Assert.That(
            () =>
            {
                for (int layer = 0; layer < model.Open().LayerCount; layer++)
                {
                    model.Layer(layer);
                }
            },
            Throws.TypeOf<CheckpointException>().With.Message.Contains(problem));
    }

    [Test]
    public void An_unknown_activation_and_a_tower_are_refused()
    {
        using var model = new TempModel("{\"model_type\": \"mlp\", \"layer_sizes\": [2, 1], \"hidden_act\": \"snake\"}", Tensors);
        Assert.That(() => model.Open(), Throws.TypeOf<CheckpointException>().With.Message.Contains("'snake'"));
        using var other = new TempModel(Config("\"layer_sizes\": [2, 1]"), Tensors);
        Assert.That(
            () => FfnCheckpoint.Open(other.Folder.Path, CheckpointTower.Vision),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("no vision tower"));
    }

    private static string Config(string sizes) => $"{{\"model_type\": \"mlp\", \"hidden_act\": \"tanh\", {sizes}}}";
}
