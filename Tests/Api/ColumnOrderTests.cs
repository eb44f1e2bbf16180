using System.Runtime.InteropServices;
using NativeFfn.Backends.Encodings;
using NativeFfn.Tests.Panels;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Api;

/// <summary>Layers whose matrices have groups of columns from everywhere, as GPTQ with act-order leaves them.</summary>
public sealed class ColumnOrderTests : CpuBackendTests
{
    public ColumnOrderTests(BackendKind backend)
        : base(backend)
    {
    }

    // Hidden rows in parts and whole, plain and gated, odd widths, more stages than rows are brought into an order for.
    private static FfnSpec[] Layers { get; } =
    [
        FfnSpec.Create(FfnKind.SwiGlu, 96, 160),
        FfnSpec.Create(FfnKind.GeGlu, 67, 131, bias: true),
        FfnSpec.Create(FfnKind.Gelu, 601, 70, bias: true),
        FfnSpec.Create(FfnKind.SwiGlu, 64, 96) .WithInnerNorm(new NormSpec(NormKind.Rms, 1e-5f)),
        FfnSpec.Create(FfnKind.SwiGlu, 64, 40).WithExperts(new MixtureSpec(Experts: 4, TopK: 2) { SharedDFf = 32 }),
        FfnSpec.Stack(new FfnStage(FfnKind.Relu, 64, 96, true), new FfnStage(FfnKind.Relu, 96, 64, true), new FfnStage(FfnKind.Linear, 64, 32, false)),
    ];

    [Test]
    public void A_layer_gives_the_answers_of_its_weights(
        [ValueSource(nameof(Layers))] FfnSpec spec, [Values(FfnPrecision.Stored, FfnPrecision.Int8, FfnPrecision.W4A8)] FfnPrecision precision,
        [Values] bool differs, [Values(1, 3, 50)] int tokens)
    {
        var source = new ShuffledSource(spec, differs);
        float[] input = RandomLayers.RowsFor(spec, source.Decoded, tokens, 2);
        Estimate expected = Oracle.Run(spec, source.Decoded, FfnMode.Ffn, input, input).Output;
        foreach (int threads in ThreadCounts)
        {
            using FfnEngine engine = OpenEngine(threads, precision);
            using FfnLayer layer = engine.CreateLayer(spec, source);
            Assert.That(layer.QuantizationError, Is.Zero);
            Tolerances.AssertClose(
                Forward(layer, FfnMode.Ffn, input), expected, Tolerances.Of(spec, precision), $"{spec} in {precision}, {threads} threads");
        }
    }

    [Test]
    public void A_trace_has_hidden_elements_at_their_own_places()
    {
        FfnSpec spec = Layers[1];
        var source = new ShuffledSource(spec, differs: false);
        float[] input = RandomLayers.RowsFor(spec, source.Decoded, 5, 2);
        OracleRun expected = Oracle.Run(spec, source.Decoded, FfnMode.Ffn, input, input);
        using FfnEngine engine = OpenEngine(2, FfnPrecision.Stored);
        using FfnLayer layer = engine.CreateLayer(spec, source);
        var trace = new FfnTrace(spec, 5);
        float[] output = new float[input.Length];
        layer.Inspect(FfnMode.Ffn, input, output, trace);
        Assert.That(output, Is.EqualTo(Forward(layer, FfnMode.Ffn, input)));
        Tolerances.AssertClose(trace.HiddenStages[0].PreActivation, expected.Stages[0].PreActivation, Tolerances.Of(spec), "pre-activation");
        Tolerances.AssertClose(trace.HiddenStages[0].Hidden, expected.Stages[0].Hidden, Tolerances.Of(spec), "hidden");
    }

    /// <summary>4-bit codes in groups of 32 columns; where it differs, up has another order than gate, and experts have none in turns.</summary>
    private sealed class ShuffledSource : IEncodedWeightSource
    {
        private readonly Dictionary<TensorKey, (WeightEncoding Encoding, byte[] Rows)> _tensors = [];

        public ShuffledSource(FfnSpec spec, bool differs)
        {
            Decoded = new FfnMemoryWeights(spec);
            FfnMemoryWeights given = RandomLayers.Gaussian(spec, 1);
            var random = new Random(3);
            foreach (FfnTensor tensor in spec.Tensors)
            {
                float[] decoded = given.Get(tensor.Name).ToArray();
                if (tensor.Role is FfnTensorRole.Weight or FfnTensorRole.UpWeight)
                {
                    Fill(tensor, differs, random, decoded);
                }

                Decoded.Set(tensor.Name, decoded);
            }
        }

        public FfnMemoryWeights Decoded { get; }

        public WeightEncoding EncodingOf(FfnTensor tensor) => _tensors.TryGetValue(tensor.Key, out var found) ? found.Encoding : WeightEncodings.Float32;

        public void ReadBlocks(FfnTensor tensor, int firstRow, Span<byte> rows)
        {
            if (_tensors.TryGetValue(tensor.Key, out var found))
            {
                found.Rows.AsSpan((int)(firstRow * found.Encoding.RowBytes(tensor.Columns)), rows.Length).CopyTo(rows);
            }
            else
            {
                ReadRows(tensor, firstRow, MemoryMarshal.Cast<byte, float>(rows));
            }
        }

        public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination) => Decoded.ReadRows(tensor, firstRow, destination);

        private void Fill(FfnTensor tensor, bool differs, Random random, float[] decoded)
        {
            const int Group = 32;
            int columns = tensor.Columns;
            int[] groups = StoredCodes.Shuffle(columns, Group, seed: differs ? (int)tensor.Role : 0);
            var encoding = new GroupedCodes(new GroupedFormat
            {
                Name = "gptq4", Bits = 4, Groups = (columns + Group - 1) / Group, GroupColumns = Group, Scale = ScaleType.Float16, Zero = 8,
                GroupOf = differs && tensor.Expert == 1 ? null : groups,
            });
            int rowBytes = (int)encoding.RowBytes(columns);
            byte[] rows = new byte[tensor.Rows * rowBytes];
            random.NextBytes(rows);
            for (int row = 0; row < tensor.Rows; row++)
            {
                Span<byte> place = rows.AsSpan(row * rowBytes, rowBytes);
                foreach (ref Half scale in MemoryMarshal.Cast<byte, Half>(place[..encoding.HeaderBytes]))
                {
                    scale = (Half)(random.NextDouble() / columns);
                }

                encoding.Decode(place, 0, decoded.AsSpan(row * columns, columns));
            }

            _tensors.Add(tensor.Key, (encoding, rows));
        }
    }
}
