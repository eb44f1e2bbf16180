namespace NativeFfn.Tests.Parity;

/// <summary>The layers that backends are compared with the oracle on.</summary>
internal static class ParityCases
{
    private const float Epsilon = 1e-5f;

    // Around the widths of vectors, tiles and cache lines: one less, the same, one more.
    private static readonly int[] Sizes = [1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 63, 65, 100, 129];

    private static readonly FfnMode[] Modes = [FfnMode.Ffn, FfnMode.Residual, FfnMode.Block];

    /// <summary>Every kind with a name, and combinations that have none but are valid.</summary>
    private static IEnumerable<FfnKind> Kinds =>
    [
        .. FfnKind.Named,
        FfnKind.Linear,
        new FfnKind(false, Activation.Sigmoid),
        new FfnKind(true, Activation.SquaredRelu),
        new FfnKind(true, Activation.QuickGelu),
    ];

    /// <summary>Every kind × biases × modes, at odd sizes.</summary>
    public static IEnumerable<ParityCase> OfKinds()
    {
        var sizes = new OddSizes(1);
        int seed = 100;
        foreach (FfnKind kind in Kinds)
        {
            foreach (bool bias in new[] { false, true })
            {
                foreach (FfnMode mode in Modes)
                {
                    (int dModel, int dFf, int tokens) = sizes.Next();
                    yield return new ParityCase(FfnSpec.Create(kind, dModel, dFf, bias), tokens, mode, seed += 10);
                }
            }
        }
    }

    private static IEnumerable<NormSpec> Norms =>
    [
        new(NormKind.Rms, Epsilon),
        new(NormKind.Rms, Epsilon) { WeightOffset = 1 },
        new(NormKind.Layer, Epsilon),
        new(NormKind.Rms, Epsilon) { HasWeight = false },
        new(NormKind.Rms, Epsilon) { HasBias = true, WeightOffset = 0.25f },
        new(NormKind.Layer, Epsilon) { HasBias = false },
        new(NormKind.Layer, Epsilon) { HasWeight = false, HasBias = false },
        new(NormKind.Layer, Epsilon) { WeightOffset = 1 },
    ];

    /// <summary>Every kind of norm at every position and several at once, in block mode.</summary>
    public static IEnumerable<ParityCase> OfNorms()
    {
        var sizes = new OddSizes(2);
        int seed = 5000;
        foreach (NormSpec norm in Norms)
        {
            foreach (int positions in Enumerable.Range(1, 7))
            {
                // The norm of one element is its sign or nothing: it has a test of its own.
                (int dModel, int dFf, int tokens) = sizes.Next();
                FfnKind layer = positions % 2 == 0 ? FfnKind.GeluTanh : FfnKind.SwiGlu;
                FfnSpec spec = FfnSpec.Create(layer, Math.Max(dModel, 3), dFf, bias: positions > 3).WithNorms(
                    (positions & 1) != 0 ? norm : null, (positions & 2) != 0 ? norm : null, (positions & 4) != 0 ? norm : null);
                yield return new ParityCase(spec, tokens, FfnMode.Block, seed += 10);
            }
        }
    }

    /// <summary>The smallest layer, no tokens, and layers with norms in the modes that leave norms out.</summary>
    public static IEnumerable<ParityCase> OfEdges()
    {
        var rms = new NormSpec(NormKind.Rms, Epsilon);
        var layer = new NormSpec(NormKind.Layer, Epsilon);
        foreach (FfnMode mode in Modes)
        {
            yield return new ParityCase(FfnSpec.Create(FfnKind.SwiGlu, 1, 1), 1, mode, 9000);
            yield return new ParityCase(FfnSpec.Create(FfnKind.Gelu, 1, 1, bias: true), 1, mode, 9010);
            yield return new ParityCase(FfnSpec.Create(FfnKind.Relu, 16, 24, bias: true), 0, mode, 9020);
            yield return new ParityCase(FfnSpec.Create(FfnKind.SwiGlu, 16, 24).WithNorms(rms), 0, mode, 9030);
            yield return new ParityCase(FfnSpec.Create(FfnKind.GeGlu, 9, 20).WithNorms(rms, rms, layer), 6, mode, 9040);
        }

        yield return new ParityCase(FfnSpec.Create(FfnKind.SwiGlu, 1, 5).WithNorms(rms), 4, FfnMode.Block, 9050);
        yield return new ParityCase(FfnSpec.Create(FfnKind.SwiGlu, 1, 5).WithNorms(post: layer), 4, FfnMode.Block, 9060);
        yield return new ParityCase(FfnSpec.Create(FfnKind.SwiGlu, 12, 5).WithNorms(rms, rms), 1, FfnMode.Block, 9070);
    }

    /// <summary>Chains of one, three and six stages, with gates inside and activations at the end.</summary>
    public static IEnumerable<ParityCase> OfStacks()
    {
        foreach (FfnMode mode in new[] { FfnMode.Ffn, FfnMode.Residual })
        {
            foreach (int tokens in new[] { 1, 9, 40 })
            {
                yield return Stack(mode, tokens, 7000, bias: true, (33, 17, FfnKind.Linear));
                yield return Stack(mode, tokens, 7010, bias: false, (17, 17, FfnKind.Silu));
                yield return Stack(mode, tokens, 7020, bias: true, (20, 31, FfnKind.SwiGlu));
                yield return Stack(mode, tokens, 7030, bias: true, (16, 40, FfnKind.Gelu), (40, 5, FfnKind.Relu), (5, 16, FfnKind.QuickGelu));
                yield return Stack(mode, tokens, 7040, bias: false, (7, 65, FfnKind.GeGluTanh), (65, 64, FfnKind.Glu), (64, 3, FfnKind.Linear));
                yield return Stack(mode, tokens, 7050, bias: true, (30, 50, FfnKind.Relu), (50, 30, FfnKind.Silu));
                yield return Stack(
                    mode, tokens, 7070, bias: false, (33, 1, FfnKind.SwiGlu), (1, 31, FfnKind.Gelu), (31, 7, FfnKind.GeGlu), (7, 33, FfnKind.Linear));

                // Wider than the block of columns that is multiplied at a time, and than the block of rows that is widened at a time.
                yield return Stack(mode, tokens, 7080, bias: true, (513, 33, FfnKind.SwiGlu), (33, 1100, FfnKind.Gelu), (1100, 7, FfnKind.Linear));
                yield return Stack(
                    mode, tokens, 7060, bias: true,
                    (8, 100, FfnKind.Silu), (100, 1, FfnKind.GeluTanh), (1, 63, FfnKind.Bilinear),
                    (63, 33, FfnKind.SquaredRelu), (33, 129, FfnKind.ReGlu), (129, 15, new FfnKind(false, Activation.Sigmoid)));
            }
        }

        var norm = new NormSpec(NormKind.Layer, Epsilon);
        foreach (FfnStage[] stages in new FfnStage[][]
        {
            [new(FfnKind.Silu, 17, 17, true)],
            [new(FfnKind.SwiGlu, 17, 40, true), new(FfnKind.Gelu, 40, 17, true)],
            [new(FfnKind.SwiGlu, 31, 1, false), new(FfnKind.GeGlu, 1, 7, false), new(FfnKind.Silu, 7, 33, true), new(FfnKind.Linear, 33, 31, false)],
            [new(FfnKind.SwiGlu, 17, 40, false), new(FfnKind.Gelu, 40, 9, true), new(FfnKind.Glu, 9, 17, false)],
        })
        {
            yield return new ParityCase(FfnSpec.Stack(stages).WithNorms(norm, norm, norm), 11, FfnMode.Block, 7100);
        }
    }

    private static ParityCase Stack(FfnMode mode, int tokens, int seed, bool bias, params (int InputWidth, int Width, FfnKind Kind)[] stages) =>
        new(FfnSpec.Stack(Array.ConvertAll(stages, stage => new FfnStage(stage.Kind, stage.InputWidth, stage.Width, bias))), tokens, mode, seed);

    /// <summary>Three sizes at a time; every fifteen draws, each size has been each of the three once.</summary>
    private sealed class OddSizes(int seed)
    {
        private readonly Random _random = new(seed);
        private readonly int[] _dModel = [.. Sizes];
        private readonly int[] _dFf = [.. Sizes];
        private readonly int[] _tokens = [.. Sizes];
        private int _next = Sizes.Length;

        public (int DModel, int DFf, int Tokens) Next()
        {
            if (_next == Sizes.Length)
            {
                _next = 0;
                _random.Shuffle(_dModel);
                _random.Shuffle(_dFf);
                _random.Shuffle(_tokens);
            }

            (int, int, int) sizes = (_dModel[_next], _dFf[_next], _tokens[_next]);
            _next++;
            return sizes;
        }
    }
}
