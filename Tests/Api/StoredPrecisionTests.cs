using NativeFfn.Backends.Encodings;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Api;

/// <summary>Weights that stay as they are stored: an encoding for every matrix, in one layer.</summary>
public sealed class StoredPrecisionTests : RealBackendTests
{
    public StoredPrecisionTests(BackendKind backend)
        : base(backend)
    {
    }

    private static FfnSpec[] Layers { get; } =
    [
        FfnSpec.Create(FfnKind.SwiGlu, 96, 160),
        FfnSpec.Create(FfnKind.GeGlu, 33, 79, bias: true),
        FfnSpec.Create(FfnKind.Gelu, 601, 70),
        FfnSpec.Create(FfnKind.SwiGlu, 64, 40).WithExperts(new MixtureSpec(Experts: 4, TopK: 2) { SharedDFf = 30 }),
    ];

    [Test]
    public void Every_matrix_keeps_an_encoding_of_its_own(
        [ValueSource(nameof(Layers))] FfnSpec spec, [Values(1, 3, 50)] int tokens, [Values] FfnMode mode)
    {
        var source = new EncodedSource(spec, RandomLayers.Gaussian(spec, 1));
        float[] input = RandomLayers.RowsFor(spec, source.Decoded, tokens, 2);
        float[] output = new float[tokens * spec.OutputWidth];
        using FfnEngine engine = OpenEngine(ThreadCounts[^1], FfnPrecision.Stored);
        using FfnLayer layer = engine.CreateLayer(spec, source);
        layer.Inspect(mode, input, output);
        Tolerances.AssertClose(output, Oracle.Run(spec, source.Decoded, mode, input, input).Output, Tolerances.Of(spec), spec.ToString());
        Assert.That(layer.QuantizationError, Is.Zero);
    }

    [Test]
    public void Integers_of_gate_and_up_may_have_other_numbers_of_bits(
        [Values("int4", "int8")] string gate, [Values(FfnPrecision.Int8, FfnPrecision.W8A8)] FfnPrecision precision)
    {
        if (Backend == BackendKind.CuBlas)
        {
            Assert.Ignore("It keeps no integers.");
        }

        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 96, 160);
        var source = new EncodedSource(spec, RandomLayers.Gaussian(spec, 1), gate, "int8", "int4");
        float[] input = RandomLayers.RowsFor(spec, source.Decoded, 9, 2);
        using FfnEngine engine = OpenEngine(2, precision);
        using FfnLayer layer = engine.CreateLayer(spec, source);
        Tolerances.AssertClose(
            Forward(layer, FfnMode.Ffn, input), Oracle.Run(spec, source.Decoded, FfnMode.Ffn, input, input).Output, Tolerances.Of(spec, precision),
            $"{layer.Encodings} in {precision}");
    }

    [Test]
    public void What_is_kept_is_told_and_takes_its_bytes()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 256, 704);
        var source = new EncodedSource(spec, RandomLayers.Gaussian(spec, 1));
        using FfnEngine storing = OpenEngine(1, FfnPrecision.Stored);
        using FfnEngine choosing = OpenEngine(1, FfnPrecision.Auto);
        using FfnLayer stored = storing.CreateLayer(spec, source);
        using FfnLayer automatic = choosing.CreateLayer(spec, source);
        using FfnLayer numbers = storing.CreateLayer(spec, source.Decoded);
        (string, string, string) expected = Backend switch
        {
            BackendKind.Reference => ("f64", "f64", "f64"),
            BackendKind.CuBlas => ("f32", "f32", "f32"),
            _ => ("bf16+fp8+int8", "f32+fp8+int8", "f32"),
        };
        Assert.That((stored.Encodings, automatic.Encodings, numbers.Encodings), Is.EqualTo(expected));
        if (Backend is BackendKind.Managed or BackendKind.Mkl)
        {
            const int matrix = 256 * 704;
            Assert.That(stored.WeightBytes, Is.EqualTo((matrix * 9 / 8) + matrix + (704 * sizeof(float)) + (matrix * 2)));
        }
    }

    /// <summary>Weights in an encoding a matrix, taking turns.</summary>
    private sealed class EncodedSource : IEncodedWeightSource
    {
        private static readonly string[] Any = ["int8", "fp8", "bf16", "f16", "int8", "f32", "f32", "fp8"];

        private readonly Dictionary<TensorKey, (WeightEncoding Encoding, byte[] Rows)> _tensors = [];

        public EncodedSource(FfnSpec spec, FfnMemoryWeights given, params string[] turns)
        {
            turns = turns.Length == 0 ? Any : turns;
            Decoded = new FfnMemoryWeights(spec);
            int turn = 0;
            foreach (FfnTensor tensor in spec.Tensors)
            {
                string name = tensor.IsVector ? "f32" : turns[turn++ % turns.Length];
                WeightEncoding encoding = WeightEncodings.All.Single(known => known.Name == name);
                int rowBytes = (int)encoding.RowBytes(tensor.Columns);
                byte[] rows = new byte[tensor.Rows * rowBytes];
                float[] decoded = new float[tensor.ElementCount];
                for (int row = 0; row < tensor.Rows; row++)
                {
                    Span<byte> place = rows.AsSpan(row * rowBytes, rowBytes);
                    encoding.Encode(given.Get(tensor.Name).Span.Slice(row * tensor.Columns, tensor.Columns), place);
                    encoding.Decode(place, 0, decoded.AsSpan(row * tensor.Columns, tensor.Columns));
                }

                _tensors.Add(tensor.Key, (encoding, rows));
                Decoded.Set(tensor.Name, decoded);
            }
        }

        public FfnMemoryWeights Decoded { get; }

        public WeightEncoding EncodingOf(FfnTensor tensor) => _tensors[tensor.Key].Encoding;

        public void ReadBlocks(FfnTensor tensor, int firstRow, Span<byte> rows) =>
            _tensors[tensor.Key].Rows.AsSpan((int)(firstRow * EncodingOf(tensor).RowBytes(tensor.Columns)), rows.Length).CopyTo(rows);

        public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination) => Decoded.ReadRows(tensor, firstRow, destination);
    }
}
