using System.Text;
using NativeFfn.Checkpoints.Quantised;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>Random matrices of every method in shapes that nothing divides, in one file and with each part in a shard of its own.</summary>
[TestFixture]
public sealed class QuantisedShapeTests
{
    private static readonly Random Random = new(11);

    private static IEnumerable<TestCaseData> Matrices()
    {
        foreach (int bits in (int[])[2, 3, 4, 8])
        {
            yield return Gptq($"gptq, {bits} bits", bits, 96, 104, 32, index: true, "gptq");
            yield return Gptq($"gptq, {bits} bits, one group", bits, 64, 32, -1, index: false, "gptq_v2");
        }

        yield return Gptq("gptq, 2 bits, a last word that is not full", 2, 40, 24, 8, index: true, "gptq");
        yield return Gptq("gptq, 3 bits, a last word that is not full", 3, 17, 23, 17, index: true, "gptq");
        yield return Case("gptq, a module of its own", "gptq", """{"bits":8,"group_size":8,"checkpoint_format":"gptq"}""", "quantization_config", new RawTensors
        {
            ["m.qweight"] = Any("I32", 4, 8), ["m.qzeros"] = Any("I32", 2, 2), ["m.scales"] = Floats("F16", 2, 8),
        }, """{"quant_method":"auto-round","bits":4,"group_size":16,"sym":false,"extra_config":{"m":{"bits":8,"group_size":8}}}""");
        yield return Gptq("gptq, wide", 4, 2048, 4128, 128, index: true, "gptq");
        yield return Case("awq", "awq", """{"quant_method":"awq","bits":4,"group_size":40,"version":"gemm"}""", "quantization_config", new RawTensors
        {
            ["m.qweight"] = Any("I32", 200, 9), ["m.qzeros"] = Any("I32", 5, 9), ["m.scales"] = Floats("F16", 5, 72),
        });
        yield return Case("awq, wide", "awq", """{"quant_method":"awq","w_bit":4,"q_group_size":-1}""", "quantization_config", new RawTensors
        {
            ["m.qweight"] = Any("I32", 3004, 1032), ["m.qzeros"] = Any("I32", 1, 1032), ["m.scales"] = Floats("F16", 1, 8256),
        });
        yield return Case("awq gemv", "awq-gemv", """{"quant_method":"awq","bits":4,"group_size":32,"version":"GEMV"}""", "quantization_config", new RawTensors
        {
            ["m.qweight"] = Any("I32", 13, 36), ["m.qzeros"] = Any("I32", 13, 4), ["m.scales"] = Floats("F16", 13, 32),
        });
        yield return CtPack("ct, asymmetric", 4, 21, 45, 16, zeros: true, index: false);
        yield return CtPack("ct, ordered", 4, 21, 64, 16, zeros: true, index: true);
        yield return CtPack("ct, 8 bits", 8, 5, 30, -1, zeros: true, index: false);
        yield return CtPack("ct, 2 bits", 2, 33, 50, 10, zeros: false, index: false);
        yield return Ct("ct, int8", "int8", """{"num_bits":8,"type":"int","strategy":"channel","symmetric":false}""", new RawTensors
        {
            ["m.weight"] = Any("I8", 11, 45), ["m.weight_scale"] = Floats("F32", 11, 1), ["m.weight_zero_point"] = Any("I8", 11, 1),
        });
        yield return Ct("ct, fp8 of a tensor", "fp8", """{"num_bits":8,"type":"float","strategy":"tensor"}""", new RawTensors
        {
            ["m.weight"] = Any("F8_E4M3", 11, 45), ["m.weight_scale"] = Floats("BF16", 1), ["m.input_scale"] = Floats("BF16", 1),
        });
        yield return Ct("ct, fp8 of blocks", "fp8", """{"num_bits":8,"strategy":"block","block_structure":"4x16","weight_block_size":[4,16]}""", new RawTensors
        {
            ["m.weight"] = Any("F8_E4M3", 11, 45), ["m.weight_scale"] = Floats("BF16", 3, 3),
        });
        yield return Ct("ct, mxfp4", "ct-mxfp4", """{"num_bits":4,"type":"float","strategy":"group","group_size":32}""", new RawTensors
        {
            ["m.weight_packed"] = Any("U8", 7, 48), ["m.weight_scale"] = Any("U8", 7, 3),
        });
        yield return Ct("ct, nvfp4", "ct-nvfp4", """{"num_bits":4,"type":"float","strategy":"tensor_group","group_size":16}""", new RawTensors
        {
            ["m.weight_packed"] = Any("U8", 7, 24), ["m.weight_scale"] = Any("F8_E4M3", 7, 3), ["m.weight_global_scale"] = Powers("F32", 1),
        });
        yield return Fp8("fp8, blocks", """,{"weight_block_size":[16,24]}""", "F8_E4M3", [37, 61], "_inv", Floats("F32", 3, 3));
        yield return Fp8("fp8, blocks of powers", """,{"weight_block_size":[128,128]}""", "F8_E5M2", [130, 131], "_inv", Any("F8_E8M0", 2, 2));
        yield return Fp8("fp8, a stack in blocks", """,{"weight_block_size":[16,24]}""", "F8_E4M3", [3, 37, 61], "_inv", Floats("BF16", 3, 3, 3));
        yield return Fp8("fp8, a stack", """,{"activation_scheme":"static"}""", "F8_E4M3", [3, 5, 9], "_inv", Floats("F32", 3, 1, 1));
        yield return Fp8("fp8, rows", """,{}""", "F8_E4M3", [9, 13], "", Floats("F32", 9, 1));
        yield return Fp8("fp8, a number", """,{}""", "F8_E4M3", [9, 13], "", Floats("F32"));
        yield return Case("int8 of bitsandbytes", "bnb8", """{"quant_method":"bitsandbytes"}""", "quantization_config", new RawTensors
        {
            ["m.weight"] = Any("I8", 9, 31), ["m.SCB"] = Floats("F32", 9), ["m.weight_format"] = ("U8", [], [0]),
        });
        yield return Bnb4("nf4", 9, 128, 64, nested: false);
        yield return Bnb4("nf4, odd rows", 23, 45, 64, nested: false);
        yield return Bnb4("fp4, doubly, odd rows", 131, 333, 64, nested: true);
        yield return Bnb4("nf4, blocks longer than rows", 7, 30, 128, nested: true);
        foreach (int bits in (int[])[2, 3, 4, 5, 6, 8])
        {
            yield return Case($"mlx, {bits} bits", "mlx", $$"""{"group_size":32,"bits":{{bits}}}""", "quantization", new RawTensors
            {
                ["m.weight"] = Any("U32", 2, 5, 3 * bits), ["m.scales"] = Floats("BF16", 2, 5, 3), ["m.biases"] = Floats("BF16", 2, 5, 3),
            });
        }

        yield return Case("mlx, a module of its own", "mlx", """{"bits":8,"group_size":32}""", "quantization", new RawTensors
        {
            ["m.weight"] = Any("U32", 5, 24), ["m.scales"] = Floats("F16", 5, 3), ["m.biases"] = Floats("F16", 5, 3),
        }, """{"group_size":64,"bits":4,"m":{"group_size":32,"bits":8}}""");
        foreach ((string mode, int words, int groups) in ((string, int, int)[])[("mxfp4", 12, 3), ("mxfp8", 24, 3), ("nvfp4", 12, 6)])
        {
            yield return Case($"mlx, {mode}", "mlx-" + mode, $$"""{"mode":"{{mode}}"}""", "quantization", new RawTensors
            {
                ["m.weight"] = Any("U32", 5, words), ["m.scales"] = Any("U8", 5, groups),
            });
        }

        yield return Case("nvfp4", "nvfp4", """{"quant_algo":"NVFP4"}""", "quantization_config", new RawTensors
        {
            ["m.weight"] = Any("U8", 7, 24), ["m.weight_scale"] = Any("F8_E4M3", 7, 3), ["m.weight_scale_2"] = Floats("F32"), ["m.input_scale"] = Floats("F32"),
        });
        yield return Case("mxfp4", "mxfp4", """{"quant_method":"mxfp4"}""", "quantization_config", new RawTensors
        {
            ["m_blocks"] = Any("U8", 3, 5, 2, 16), ["m_scales"] = Any("U8", 3, 5, 2),
        });
        yield return Case("bitnet", "bitnet", """{"quant_method":"bitnet"}""", "quantization_config", new RawTensors
        {
            ["m.weight"] = Any("U8", 5, 27), ["m.weight_scale"] = Floats("BF16", 1),
        });
    }

    [TestCaseSource(nameof(Matrices))]
    public void A_matrix_is_read_as_its_formula_has_it(string method, string settings, string entry, object tensors)
    {
        var raw = (RawTensors)tensors;
        (int rows, int columns, float[] expected) = QuantisedOracle.Matrix(raw, "m", method, QuantisedFolder.Json(settings));
        string shown = method == "mxfp4" ? "m_blocks" : "m.weight";
        foreach (bool sharded in (bool[])[false, true])
        {
            using var folder = new QuantisedFolder(entry, raw, sharded);
            Assert.That(folder.Tensors.Under("m"), Is.EqualTo(new[] { shown }));
            foreach (int rowsAtATime in (int[])[expected.Length < 100_000 ? 3 : 1000, rows])
            {
                float[] read = QuantisedFolder.Read(folder.Tensors, shown, rowsAtATime, out int width);
                Assert.That(width, Is.EqualTo(columns));
                int wrong = QuantisedFolder.FirstDifference(read, expected);
                Assert.That(wrong, Is.EqualTo(-1), wrong < 0 ? "" : $"row {wrong / columns}, column {wrong % columns}: {read[wrong]:R} instead of {expected[wrong]:R}");
            }

            // A row in memory is hardly longer than what is stored of it.
            var matrix = (QuantisedTensor)folder.Tensors.Find(shown).File;
            Assert.That(matrix.Entry.ByteLength, Is.LessThan((1.1 * raw.Values.Sum(static tensor => tensor.Bytes.Length)) + (rows * 24)));
        }
    }

    private static TestCaseData Gptq(string name, int bits, int columns, int rows, int size, bool index, string format)
    {
        int groups = size > 0 ? columns / size : 1;
        var tensors = new RawTensors
        {
            ["m.qweight"] = Any("I32", ((columns * bits) + 31) / 32, rows), ["m.qzeros"] = Any("I32", groups, ((rows * bits) + 31) / 32), ["m.scales"] = Floats("F16", groups, rows),
        };
        if (index)
        {
            tensors["m.g_idx"] = ("I32", [columns], QuantisedFolder.Bytes<int>([.. Enumerable.Range(0, columns).Select(_ => Random.Next(groups))]));
        }

        return Case(name, "gptq", $$"""{"quant_method":"gptq","bits":{{bits}},"group_size":{{size}},"sym":false,"checkpoint_format":"{{format}}"}""", "quantization_config", tensors);
    }

    private static TestCaseData CtPack(string name, int bits, int rows, int columns, int size, bool zeros, bool index)
    {
        int perWord = 32 / bits;
        int groups = size > 0 ? (columns + size - 1) / size : 1;
        var tensors = new RawTensors
        {
            ["m.weight_packed"] = Any("I32", rows, (columns + perWord - 1) / perWord),
            ["m.weight_scale"] = Floats("BF16", rows, groups),
            ["m.weight_shape"] = ("I64", [2], QuantisedFolder.Bytes<long>(rows, columns)),
        };
        if (zeros)
        {
            tensors["m.weight_zero_point"] = Any("I32", (rows + perWord - 1) / perWord, groups);
        }

        if (index)
        {
            tensors["m.weight_g_idx"] = ("I32", [columns], QuantisedFolder.Bytes<int>([.. Enumerable.Range(0, columns).Select(_ => Random.Next(groups))]));
        }

        return Ct(name, "ct-pack", $$"""{"num_bits":{{bits}},"type":"int","symmetric":{{(zeros ? "false" : "true")}},"group_size":{{size}}}""", tensors);
    }

    private static TestCaseData Ct(string name, string method, string weights, RawTensors tensors) => Case(
        name, method, weights, "quantization_config", tensors,
        $$$"""{"quant_method":"compressed-tensors","format":"mixed-precision","config_groups":{"a":{"targets":["Linear"],"weights":{"num_bits":3}},"b":{"targets":["re:^m$"],"weights":{{{weights}}} } } }""");

    private static TestCaseData Fp8(string name, string settings, string type, long[] shape, string ending, (string, long[], byte[]) scales) => Case(
        name, "fp8", settings[1..], "quantization_config", new RawTensors { ["m.weight"] = Any(type, shape), ["m.weight_scale" + ending] = scales },
        "{\"quant_method\":\"fp8\"" + (settings.Length > 3 ? "," : "") + settings[2..]);

    private static TestCaseData Bnb4(string name, int rows, int columns, int block, bool nested)
    {
        long weights = (long)rows * columns;
        long blocks = (weights + block - 1) / block;
        string state = $$"""{"quant_type":"{{name[..3]}}","blocksize":{{block}},"shape":[{{rows}},{{columns}}],"nested_blocksize":16,"nested_offset":0.0421}""";
        var tensors = new RawTensors
        {
            ["m.weight"] = Any("U8", (weights + 1) / 2, 1),
            ["m.weight.quant_map"] = Floats("F32", 16),
            ["m.weight.absmax"] = nested ? Any("U8", blocks) : Floats("F32", blocks),
            [$"m.weight.quant_state.bitsandbytes__{name[..3]}"] = ("U8", [state.Length], Encoding.UTF8.GetBytes(state)),
        };
        if (nested)
        {
            tensors["m.weight.nested_absmax"] = Floats("F32", (blocks + 15) / 16);
            tensors["m.weight.nested_quant_map"] = Floats("F32", 256);
        }

        return Case(name, "bnb4", """{"quant_method":"bitsandbytes"}""", "quantization_config", tensors);
    }

    private static TestCaseData Case(string name, string method, string settings, string key, RawTensors tensors, string? config = null) =>
        new TestCaseData(method, settings, $"\"{key}\":{config ?? settings}", tensors).SetArgDisplayNames(name);

    private static (string Type, long[] Shape, byte[] Bytes) Any(string type, params long[] shape)
    {
        byte[] bytes = new byte[Elements(shape) * (type is "I32" or "U32" ? 4 : 1)];
        Random.NextBytes(bytes);
        return (type, shape, bytes);
    }

    private static (string Type, long[] Shape, byte[] Bytes) Floats(string type, params long[] shape)
    {
        float[] values = [.. Enumerable.Range(0, (int)Elements(shape)).Select(static _ => Random.NextSingle() - 0.5f)];
        return (type, shape, type switch
        {
            "F32" => QuantisedFolder.Bytes<float>(values),
            "F16" => QuantisedFolder.Bytes<Half>([.. values.Select(static value => (Half)value)]),
            _ => QuantisedFolder.Bytes<ushort>([.. values.Select(static value => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16))]),
        });
    }

    private static (string Type, long[] Shape, byte[] Bytes) Powers(string type, params long[] shape) => (type, shape, QuantisedFolder.Bytes(0.125f));

    private static long Elements(long[] shape) => shape.Aggregate(1L, static (a, b) => a * b);
}
