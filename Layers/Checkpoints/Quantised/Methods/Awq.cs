using System.Collections.Immutable;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>AWQ (Lin et al. 2023) as AutoAWQ writes it: w = scale · (q - zero), 4 bits.</summary>
/// <remarks>
/// Version gemm: <c>qweight</c> <c>[columns, rows / 8]</c>, <c>qzeros</c> <c>[groups, rows / 8]</c>, both in an order of their own within
/// a word, <c>scales</c> <c>[groups, rows]</c>. Version gemv: <c>qweight</c> <c>[rows, columns / 8]</c>, and <c>qzeros</c> and
/// <c>scales</c>
/// with as many rows, padded.
/// </remarks>
internal sealed class Awq(QuantisationConfig config, int groupSize)
{
    private const int Bits = 4;

    /// <summary>The forms in which matrices are stored.</summary>
    public static ImmutableArray<QuantisedForm> Forms(QuantisationConfig config)
    {
        string version = (config.Text("version") ?? config.Text("format") ?? "gemm").ToUpperInvariant();
        if (version is not ("GEMM" or "GEMV"))
        {
            string name = CheckpointText.Quote(version.ToLowerInvariant());
            throw config.Wrong("version", $"{name}, whose order of codes is not read; take the checkpoint in version 'gemm'");
        }

        string bits = config.Has("w_bit") ? "w_bit" : "bits";
        if (config.Integer(bits, 1, 8) != Bits)
        {
            throw config.Wrong(bits, $"{config.Integer(bits, 1, 8)}; AWQ has {Bits}");
        }

        var method = new Awq(config, config.Integer(config.Has("q_group_size") ? "q_group_size" : "group_size", -1, int.MaxValue));
        return [new(".qweight", ".weight", ".qweight", [".qzeros", ".scales"], version == "GEMM" ? method.OpenGemm : method.OpenGemv)];
    }

    private QuantisedTensor OpenGemm(QuantisedModule module)
    {
        TensorPiece codes = module.Get(".qweight").OfType("I32", "U32").OfRank(2, 2);
        TensorPiece scales = module.Get(".scales").OfType("F16", "BF16", "F32");
        TensorPiece zeros = module.Get(".qzeros").OfType("I32", "U32");
        int columns = MatrixShape.Checked(codes, codes.Shape[0]);
        var shape = new MatrixShape([], codes.Shape[1] * AwqOrder.Word, columns);
        int rows = shape.CheckedRows(codes);
        (int size, int groups) = GroupsOf(columns);
        scales.OfShape(groups, rows);
        zeros.OfShape(groups, codes.Shape[1]);
        GroupedCodes encoding = Encoding(scales, size, groups);
        return module.Tensor(
            codes,
            shape.Dimensions,
            encoding,
            Gptq.Scales(scales, encoding, rows),
            new ZerosAlongRows(zeros, encoding.ZeroOffset, groups, Bits, 0, isAwq: true),
            new AwqCodes(codes, encoding.HeaderBytes, columns, rows));
    }

    private QuantisedTensor OpenGemv(QuantisedModule module)
    {
        TensorPiece codes = module.Get(".qweight").OfType("I32", "U32").OfRank(2, 2);
        TensorPiece scales = module.Get(".scales").OfType("F16", "BF16", "F32").OfRank(2, 2);
        TensorPiece zeros = module.Get(".qzeros").OfType("I32", "U32").OfRank(2, 2);
        var shape = MatrixShape.Of(codes, codes.Shape[1] * AwqOrder.Word);
        (int size, int groups) = GroupsOf(shape.Columns);
        long words = (groups + AwqOrder.Word - 1) / AwqOrder.Word;
        if (zeros.Shape[1] < words)
        {
            string stored = CheckpointText.Shape(zeros.Shape.AsSpan());
            throw zeros.Wrong($"has shape {stored}; {groups} groups need {words} words a row. Is the version 'gemm'?");
        }

        zeros.OfShape(shape.Rows, zeros.Shape[1]);
        scales.OfShape(shape.Rows, zeros.Shape[1] * AwqOrder.Word);
        GroupedCodes encoding = Encoding(scales, size, groups);
        int scaleBytes = encoding.Format.Scale.Bytes();
        int codeBytes = shape.Columns / 2;
        return module.Tensor(
            codes,
            shape.Dimensions,
            encoding,
            new RowMajorPart(scales, encoding.ScaleOffset, groups * scaleBytes, checked((int)scales.Shape[1] * scaleBytes)),
            new ZerosInWords(zeros, encoding.ZeroOffset, groups, Bits, downRows: false),
            new RowMajorPart(codes, encoding.HeaderBytes, codeBytes, codeBytes));
    }

    private (int Size, int Groups) GroupsOf(int columns)
    {
        int size = groupSize <= 0 ? columns : groupSize;
        return columns % size == 0
            ? (size, columns / size)
            : throw config.Wrong("group_size", $"{size}, which does not divide {columns} columns");
    }

    private static GroupedCodes Encoding(TensorPiece scales, int size, int groups) => new(new GroupedFormat
    {
        Name = "awq4",
        Bits = Bits,
        Groups = groups,
        GroupColumns = size,
        Scale = scales.ScaleType(),
        HasZeros = true,
    });
}
