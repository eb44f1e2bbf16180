using System.Runtime.InteropServices;
using NativeFfn.Hosting;
using NativeFfn.Hosting.Batching;
using NativeFfn.Hosting.Serving;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Hosting;

/// <summary>The trial that decides whether rows may share forwards: it sees every place, every mode, and the company.</summary>
public sealed class InvarianceTests
{
    private const int Tokens = 7;

    private static readonly FfnSpec Spec = FfnSpec.Create(FfnKind.SwiGlu, 13, 29).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));

    [Test]
    public void A_bit_that_depends_on_the_place_is_seen_in_every_mode(
        [Values] FfnMode mode, [Values(0, 3, Tokens - 1)] int place, [Values(0, 12)] int column) => WithLayer(Spec, layer =>
    {
        void Forward(FfnLayer layer, FfnMode running, ReadOnlySpan<float> input, Span<float> output)
        {
            LayerForwards.Run(layer, running, input, output);
            if (running == mode)
            {
                Flip(ref output[(place * Spec.DModel) + column]);
            }
        }

        Assert.That(InvarianceCheck.RowsCanShare(layer, Tokens, Forward), Is.False);
    });

    [Test]
    public void A_bit_that_depends_on_the_company_is_seen_in_every_mode([Values] FfnMode mode) => WithLayer(Spec, layer =>
    {
        // As where the number of rows that an expert is sent chooses how they are summed.
        void Forward(FfnLayer layer, FfnMode running, ReadOnlySpan<float> input, Span<float> output)
        {
            LayerForwards.Run(layer, running, input, output);
            if (running == mode && !input[..Spec.DModel].ContainsAnyExcept(0f))
            {
                foreach (ref float result in output)
                {
                    Flip(ref result);
                }
            }
        }

        Assert.That(InvarianceCheck.RowsCanShare(layer, Tokens, Forward), Is.False);
    });

    [Test]
    public void The_trial_runs_every_mode_that_the_layer_has_on_rows_that_differ([Values(1, Tokens)] int tokens, [Values] bool keepsWidth)
    {
        FfnSpec spec = keepsWidth ? Spec : FfnSpec.Stack(
            new FfnStage(FfnKind.Relu, 13, 29, false), new FfnStage(FfnKind.Linear, 29, 5, false));
        WithLayer(spec, layer =>
        {
            var modes = new List<FfnMode>();
            var rows = new HashSet<string>();
            void Forward(FfnLayer layer, FfnMode mode, ReadOnlySpan<float> input, Span<float> output)
            {
                modes.Add(mode);
                for (int first = 0; first < input.Length; first += spec.InputWidth)
                {
                    rows.Add(Convert.ToHexString(MemoryMarshal.AsBytes(input.Slice(first, spec.InputWidth))));
                }

                LayerForwards.Run(layer, mode, input, output);
            }

            using (Assert.EnterMultipleScope())
            {
                Assert.That(InvarianceCheck.RowsCanShare(layer, tokens, Forward), Is.True);
                Assert.That(modes.Distinct(), Is.EqualTo(keepsWidth ? Enum.GetValues<FfnMode>() : [FfnMode.Ffn]));
                Assert.That(rows, Has.Count.EqualTo(tokens + 1), "rows that differ, and one of zeros");
            }
        });
    }

    [Test]
    public async Task The_modes_that_a_layer_has_are_those_that_are_answered([Values] bool keepsWidth, [Values] bool hasBlock)
    {
        FfnSpec spec = FfnSpec.Stack(
            new FfnStage(FfnKind.Relu, 13, 29, false), new FfnStage(FfnKind.Linear, 29, keepsWidth ? 13 : 5, false));
        spec = hasBlock ? spec : spec.WithoutBlock("a norm is missing.");
        await using FfnServer server = await FfnServer.StartAsync(options => options.AddLayer("l", spec, RandomLayers.Gaussian(spec, 5)));
        var answered = new List<FfnMode>();
        foreach (FfnMode mode in Enum.GetValues<FfnMode>())
        {
            try
            {
                await server.Client.ForwardAsync(
                    "l/0", new float[spec.InputWidth], new float[spec.OutputWidth], new FfnRequestOptions(mode));
                answered.Add(mode);
            }
            catch (NotSupportedException)
            {
                // A mode that the layer does not have.
            }
        }

        Assert.That(spec.Modes, Is.EqualTo(answered));
    }

    private static void WithLayer(FfnSpec spec, Action<FfnLayer> test)
    {
        using FfnEngine engine = TestBackends.Open(BackendKind.Managed, threads: 2);
        using FfnLayer layer = engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 6));
        test(layer);
    }

    private static void Flip(ref float value) => value = BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(value) ^ 1);
}
