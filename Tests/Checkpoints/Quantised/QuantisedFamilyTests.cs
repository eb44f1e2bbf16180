using NativeFfn.Checkpoints;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>Quantised checkpoints of families whose matrices do not lie as a linear module's.</summary>
[TestFixture]
public sealed class QuantisedFamilyTests
{
    private const int DModel = 8;
    private const int DFf = 16;

    // AutoGPTQ turns a Conv1D's matrix before it packs it, and so does every other quantiser.
    [Test]
    public void A_quantised_Conv1D_lies_as_a_linear_module([Values(DFf, DModel)] int dFf)
    {
        var tensors = new RawTensors { ["h.0.mlp.c_fc.bias"] = Zeros(dFf), ["h.0.mlp.c_proj.bias"] = Zeros(DModel) };
        foreach ((string module, int rows, int columns) in new[] { ("c_fc", dFf, DModel), ("c_proj", DModel, dFf) })
        {
            uint[] words = [.. Enumerable.Range(0, rows * columns / 8).Select(static word => 0x9753_1eca + ((uint)word * 0x0123_4567))];
            tensors[$"h.0.mlp.{module}.qweight"] = ("I32", [columns / 8, rows], QuantisedFolder.Bytes<uint>(words));
            tensors[$"h.0.mlp.{module}.qzeros"] = ("I32", [1, rows / 8], QuantisedFolder.Bytes<uint>([.. new uint[rows / 8].Select(static _ => 0x7777_7777u)]));
            tensors[$"h.0.mlp.{module}.scales"] = ("F16", [1, rows], QuantisedFolder.Bytes<Half>([.. Enumerable.Range(1, rows).Select(static row => (Half)row)]));
        }

        using var model = new TempModel(
            $$"""{"model_type":"gpt2","n_embd":{{DModel}},"n_inner":{{dFf}},"n_layer":1,"quantization_config":{"quant_method":"gptq","bits":4} }""",
            tensors.File());
        FfnCheckpointLayer layer = model.Layer(0);
        foreach ((string module, string name, int rows, int columns) in new[] { ("c_fc", "up.weight", dFf, DModel), ("c_proj", "down.weight", DModel, dFf) })
        {
            float[] expected = [.. Enumerable.Range(0, rows * columns).Select(i =>
            {
                (int row, int column) = Math.DivRem(i, columns);
                uint word = tensors.Word($"h.0.mlp.{module}.qweight", (column / 8 * rows) + row);
                return (row + 1f) * (((word >> (4 * (column % 8))) & 15) - 8f);
            })];
            Assert.That(Weights.Read(layer, name), Is.EqualTo(expected), module);
        }
    }

    [Test]
    public void Stacks_that_are_stored_turned_and_scaled_by_columns_are_refused_with_the_remedy()
    {
        var tensors = new RawTensors { ["m"] = ("F8_E4M3", [2, 3, 4], new byte[24]), ["m_scale"] = ("F32", [2, 1, 4], new byte[32]) };
        using var folder = new QuantisedFolder("""
            "quantization_config":{"quant_method":"fbgemm_fp8"}
            """, tensors);
        Assert.That(
            () => QuantisedFolder.Read(folder.Tensors, "m", 1, out _),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("tensor 'm_scale' has a scale for each column").And.Message.Contains("Take the checkpoint in BF16"));
    }

    private static (string Type, long[] Shape, byte[] Bytes) Zeros(int length) => ("F32", [length], new byte[4 * length]);
}
