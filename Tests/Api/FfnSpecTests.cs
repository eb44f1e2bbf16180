using NUnit.Framework;

namespace NativeFfn.Tests.Api;

/// <summary>Shapes, counts and limits of a layer's description; no backend is needed.</summary>
public class FfnSpecTests
{
    private static readonly NormSpec Rms = new(NormKind.Rms, 1e-5f);
    private static readonly NormSpec LayerNorm = new(NormKind.Layer, 1e-5f);

    [Test]
    public void A_gated_layer_has_gate_up_and_down()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 3, 4, bias: true);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(spec.Tensors.Select(static tensor => $"{tensor.Name} {tensor.Shape}"), Is.EqualTo(new[]
            {
                "gate.weight [4, 3]", "gate.bias [4]", "up.weight [4, 3]", "up.bias [4]", "down.weight [3, 4]", "down.bias [3]",
            }));
            Assert.That((spec.DModel, spec.DFf, spec.InputWidth, spec.OutputWidth), Is.EqualTo((3, 4, 3, 3)));
            Assert.That(spec.ParameterCount, Is.EqualTo((3 * 12) + 4 + 4 + 3));
            Assert.That(spec.FlopsPerToken, Is.EqualTo(2 * 3 * 12));
            Assert.That(spec.IsFeedForward, Is.True);
            Assert.That(spec.HasNorms, Is.False);
            Assert.That(spec.ToString(), Is.EqualTo("swiglu 3x4"));
        }
    }

    [Test]
    public void A_plain_layer_has_up_and_down()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.Gelu, 768, 3072, bias: true);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(spec.Tensors.Select(static tensor => tensor.Name), Is.EqualTo(new[] { "up.weight", "up.bias", "down.weight", "down.bias" }));
            Assert.That(spec.ParameterCount, Is.EqualTo(4_722_432), "GPT-2's: 2 · 768 · 3072 + 3072 + 768");
            Assert.That(spec.FlopsPerToken, Is.EqualTo(9_437_184));
        }
    }

    [Test]
    public void Norms_add_their_vectors_and_only_layer_norm_has_a_bias()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.Relu, 5, 7).WithNorms(Rms, LayerNorm, new NormSpec(NormKind.Rms, 0) { WeightOffset = 1 });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                spec.Tensors.Skip(2).Select(static tensor => tensor.Name),
                Is.EqualTo(new[] { "pre_norm.weight", "branch_norm.weight", "branch_norm.bias", "post_norm.weight" }));
            Assert.That(spec.ParameterCount, Is.EqualTo((2 * 35) + (4 * 5)));
            Assert.That(spec.HasNorms, Is.True);
            Assert.That(spec.FlopsPerToken, Is.EqualTo(140), "norms are not projections");
        }
    }

    [Test]
    public void A_large_layer_is_counted_in_64_bits()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 16384, 65536);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(spec.ParameterCount, Is.EqualTo(3_221_225_472));
            Assert.That(spec.FlopsPerToken, Is.EqualTo(6_442_450_944));
        }
    }

    [Test]
    public void A_stack_names_its_layers()
    {
        FfnSpec spec = FfnSpec.Stack(new FfnStage(FfnKind.SwiGlu, 4, 6, true), new FfnStage(FfnKind.Relu, 6, 5, false), new FfnStage(FfnKind.Linear, 5, 2, true));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(spec.Tensors.Select(static tensor => $"{tensor.Name} {tensor.Shape}"), Is.EqualTo(new[]
            {
                "layers.0.weight [6, 4]", "layers.0.bias [6]", "layers.0.up.weight [6, 4]", "layers.0.up.bias [6]",
                "layers.1.weight [5, 6]", "layers.2.weight [2, 5]", "layers.2.bias [2]",
            }));
            Assert.That(spec.ParameterCount, Is.EqualTo((2 * 30) + 30 + 12));
            Assert.That(spec.FlopsPerToken, Is.EqualTo(2 * ((2 * 24) + 30 + 10)));
            Assert.That((spec.InputWidth, spec.OutputWidth, spec.KeepsWidth, spec.IsFeedForward), Is.EqualTo((4, 2, false, false)));
            Assert.That(spec.ToString(), Does.Contain("4 -> 6 swiglu -> 5 relu -> 2"));
        }
    }

    [Test]
    public void A_stack_shaped_like_a_transformers_network_is_one()
    {
        FfnSpec stack = FfnSpec.Stack(new FfnStage(FfnKind.SwiGlu, 4, 6, false), new FfnStage(FfnKind.Linear, 6, 4, false));
        Assert.That(stack.Tensors, Is.EqualTo(FfnSpec.Create(FfnKind.SwiGlu, 4, 6).Tensors));
    }

    // LLaMA's own sizes (Touvron et al. 2023), TinyLlama's, and the cases around a multiple.
    [TestCase(4096, 256, 11008)]
    [TestCase(5120, 256, 13824)]
    [TestCase(6656, 256, 17920)]
    [TestCase(8192, 256, 22016)]
    [TestCase(2048, 256, 5632)]
    [TestCase(96, 256, 256)]
    [TestCase(97, 256, 512)]
    [TestCase(3, 1, 8)]
    [TestCase(1, 256, 256)]
    public void Gated_width_follows_the_8_3_rule(int dModel, int multipleOf, int expected) =>
        Assert.That(FfnSpec.GatedDFf(dModel, multipleOf), Is.EqualTo(expected));

    [TestCase(0, 256)]
    [TestCase(-1, 256)]
    [TestCase(4096, 0)]
    [TestCase(int.MaxValue, 256)]
    [TestCase(1, int.MinValue)]
    public void Gated_width_refuses_what_has_none(int dModel, int multipleOf) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => FfnSpec.GatedDFf(dModel, multipleOf));

    [TestCase(0, 4)]
    [TestCase(4, 0)]
    [TestCase(-3, 4)]
    [TestCase(65536, 32768)]
    [TestCase(int.MaxValue, int.MaxValue)]
    public void Widths_are_positive_and_a_matrix_fits_32_bits(int dModel, int dFf)
    {
        ArgumentOutOfRangeException refusal = Assert.Throws<ArgumentOutOfRangeException>(() => FfnSpec.Create(FfnKind.Relu, dModel, dFf));
        Assert.That(refusal.Message, Does.Contain($"{dModel} -> {dFf}").And.Contain("2147483647"));
    }

    [Test]
    public void The_largest_matrix_is_allowed() =>
        Assert.That(FfnSpec.Create(FfnKind.Relu, 1, int.MaxValue).FlopsPerToken, Is.EqualTo(4L * int.MaxValue));

    [Test]
    public void Stages_must_fit_one_another()
    {
        ArgumentException misfit = Assert.Throws<ArgumentException>(
            () => FfnSpec.Stack(new FfnStage(FfnKind.Relu, 4, 6, false), new FfnStage(FfnKind.Linear, 5, 2, false)));
        Assert.That(misfit.Message, Does.Contain("Stage 1 takes 5").And.Contain("stage 0 gives 6"));
    }

    [Test]
    public void A_stack_has_one_to_1024_stages()
    {
        FfnStage[] stages = Enumerable.Repeat(new FfnStage(FfnKind.Relu, 2, 2, false), FfnSpec.MaxStages + 1).ToArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.Throws<ArgumentException>(() => FfnSpec.Stack());
            Assert.Throws<ArgumentException>(() => FfnSpec.Stack(stages));
            Assert.That(FfnSpec.Stack(stages.AsSpan(1)).Stages, Has.Length.EqualTo(1024));
        }
    }

    [Test]
    public void A_kind_without_an_activation_is_refused()
    {
        ArgumentException refusal = Assert.Throws<ArgumentException>(() => FfnSpec.Create(default, 4, 8));
        Assert.That(refusal.Message, Does.Contain("has no activation").And.Contain("silu"));
    }

    [TestCase(0f, 1f, 0f)]
    [TestCase(-7f, 1f, 0f)]
    [TestCase(float.NaN, 1f, 0f)]
    [TestCase(7f, float.NaN, 0f)]
    [TestCase(7f, 1f, float.PositiveInfinity)]
    public void Parameters_of_an_activation_are_proven(float limit, float alpha, float offset)
    {
        var kind = new FfnKind(true, Activation.ClampedSilu, new ActivationParameters(limit, alpha, offset));
        Assert.That(() => FfnSpec.Create(kind, 4, 8), Throws.ArgumentException.With.Message.Contains("the limit must be positive"));
    }

    [TestCase(-1e-5f)]
    [TestCase(float.NaN)]
    [TestCase(float.PositiveInfinity)]
    public void An_epsilon_is_finite_and_not_negative(float epsilon)
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.Relu, 4, 8);
        using (Assert.EnterMultipleScope())
        {
            Assert.Throws<ArgumentException>(() => spec.WithNorms(pre: new NormSpec(NormKind.Rms, epsilon)));
            Assert.Throws<ArgumentException>(() => spec.WithNorms(branch: new NormSpec(NormKind.Rms, epsilon)));
            Assert.Throws<ArgumentException>(() => spec.WithNorms(post: new NormSpec(NormKind.Layer, epsilon)));
        }
    }

    [Test]
    public void Norms_need_a_layer_that_keeps_its_width()
    {
        FfnSpec narrowing = FfnSpec.Stack(new FfnStage(FfnKind.Relu, 4, 2, false));
        ArgumentException refusal = Assert.Throws<ArgumentException>(() => narrowing.WithNorms(Rms));
        Assert.That(refusal.Message, Does.Contain("4 elements into 2"));
    }

    [Test]
    public void Norms_and_blocks_make_new_specs()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.Relu, 4, 8);
        FfnSpec normed = spec.WithNorms(Rms, post: LayerNorm);
        FfnSpec without = normed.WithoutBlock("no norm was found.");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(spec.HasNorms, Is.False, "the first spec is as it was");
            Assert.That((normed.PreNorm, normed.BranchNorm, normed.PostNorm), Is.EqualTo((Rms, (NormSpec?)null, LayerNorm)));
            Assert.That(normed.WhyNoBlock, Is.Null);
            Assert.That(without.WhyNoBlock, Is.EqualTo("no norm was found."));
            Assert.That(without.HasNorms, Is.False);
            Assert.That(without.Tensors, Is.EqualTo(spec.Tensors));
            Assert.Throws<ArgumentException>(() => spec.WithoutBlock(" "));
        }
    }

    [Test]
    public void A_formula_has_more_parts_that_each_keep_the_others()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 5, 7)
            .WithNorms(Rms with { HasWeight = false }, LayerNorm with { HasBias = false }, LayerNorm with { WeightOffset = 1 })
            .WithInnerNorm(LayerNorm).WithBlockForm(new() { HasBranchScale = true, BranchFactor = 2 }).WithOutputFactor(3);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(spec.Tensors.Skip(3).Select(static tensor => $"{tensor.Name} {tensor.Shape}"), Is.EqualTo(new[]
            {
                "inner_norm.weight [7]", "inner_norm.bias [7]", "branch_norm.weight [5]", "post_norm.weight [5]", "post_norm.bias [5]",
                "branch_scale [5]",
            }));
            Assert.That((spec.OutputFactor, spec.BlockForm.BranchFactor, spec.InnerNorm), Is.EqualTo((3f, 2f, LayerNorm)));
            FfnSpec without = spec.WithoutBlock("no norm was found.");
            Assert.That((without.OutputFactor, without.BlockForm, without.InnerNorm), Is.EqualTo((3f, BlockForm.Plain, LayerNorm)));
            Assert.That(spec.WithInnerNorm(null).Tensors, Has.Length.EqualTo(spec.Tensors.Length - 2));
        }
    }

    [Test]
    public void Parts_that_cannot_be_are_refused()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 5, 7);
        FfnSpec narrowing = FfnSpec.Stack(new FfnStage(FfnKind.Relu, 3, 2, false));
        FfnKind sparse = FfnKind.SwiGlu with { Parameters = new() { SparsityMultiplier = 1 } };
        using (Assert.EnterMultipleScope())
        {
            Refuses(() => spec.WithNorms(Rms with { WeightOffset = float.NaN }), "weight offset must be finite");
            Refuses(() => spec.WithNorms(Rms with { HasWeight = false, WeightOffset = 1 }), "without a weight");
            Refuses(() => spec.WithNorms(new NormSpec((NormKind)9, 0)), "no norm kind 9");
            Refuses(() => spec.WithInnerNorm(Rms with { Epsilon = -1 }), "epsilon");
            Refuses(() => narrowing.WithInnerNorm(Rms), "two-stage network");
            Refuses(() => narrowing.WithBlockForm(BlockForm.Plain), "turns 3 elements into 2");
            Refuses(() => spec.WithBlockForm(new() { BranchFactor = float.NaN }), "branch factor must be finite");
            Refuses(() => spec.WithBlockForm(new() { ResidualFactor = float.NaN }), "residual factor must be finite");
            Refuses(() => spec.WithOutputFactor(float.PositiveInfinity), "output factor must be finite");
            Refuses(() => FfnSpec.Create(FfnKind.Relu with { Parameters = new() { InputFactor = float.NaN } }, 2, 2), "InputFactor must be finite");
            Refuses(() => FfnSpec.Stack(new FfnStage(sparse, 2, 2, false)), "sparsity multiplier");
            Refuses(() => FfnSpec.Create(sparse, 2, 2).WithExperts(new MixtureSpec(2, 1)), "without sparsity");
        }
    }

    private static void Refuses(Func<FfnSpec> make, string reason) => Assert.That(make, Throws.ArgumentException.With.Message.Contains(reason));
}
