using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text.Json;

namespace NativeFfn.Tests.Support;

/// <summary>A small checkpoint with PyTorch's float64 answers; see Golden/cases/README.md.</summary>
internal sealed record GoldenCase(
    string Name, string Directory, string ModelType, int Layer, int Tokens, int DModel, int DFf)
{
    /// <summary>What to open.</summary>
    public required string Model { get; init; }

    public float[] ReadInput() => TinySafetensors.ReadFloats(Path.Combine(Directory, "input.safetensors"), "input");

    /// <summary>The answer of a mode, <c>[tokens, d_model]</c>, or null where the case has none for it.</summary>
    public float[]? ReadExpected(FfnMode mode)
    {
        string file = Path.Combine(Directory, "expected.safetensors");
        string name = mode.ToString().ToLowerInvariant();
        return TinySafetensors.Names(file).Contains(name) ? TinySafetensors.ReadFloats(file, name) : null;
    }

    /// <summary>A weight by the name that the checkpoint gives it, as stored, from whichever file has it.</summary>
    public float[] ReadWeight(string name)
    {
        string file = System.IO.Directory.EnumerateFiles(Directory, "model*.safetensors")
            .Single(candidate => TinySafetensors.Names(candidate).Contains(name));
        return TinySafetensors.ReadFloats(file, name);
    }

    public override string ToString() => Name;
}

/// <summary>The golden cases that were copied beside the tests.</summary>
internal static class GoldenCases
{
    public static string Root => Path.Combine(AppContext.BaseDirectory, "Golden", "cases");

    public static ImmutableArray<GoldenCase> All { get; } = Read(Root);

    /// <summary>The cases of GGUF files, which have their configuration in them.</summary>
    public static ImmutableArray<GoldenCase> Gguf { get; } = Read(Path.Combine(AppContext.BaseDirectory, "Golden", "gguf"));

    public static GoldenCase Find(string name) => All.Single(found => found.Name == name);

    private static ImmutableArray<GoldenCase> Read(string root) =>
        [.. System.IO.Directory.EnumerateDirectories(root).Order(StringComparer.Ordinal).Select(Load)];

    private static GoldenCase Load(string directory)
    {
        using JsonDocument facts = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(directory, "case.json")));
        string config = Path.Combine(directory, "config.json");
        string modelType = File.Exists(config)
            ? JsonSerializer.Deserialize<JsonElement>(File.ReadAllBytes(config)).GetProperty("model_type").GetString()!
            : facts.RootElement.GetProperty("family").GetString()!;
        return new GoldenCase(
            Path.GetFileName(directory),
            directory,
            modelType,
            facts.RootElement.GetProperty("layer").GetInt32(),
            facts.RootElement.GetProperty("tokens").GetInt32(),
            facts.RootElement.GetProperty("d_model").GetInt32(),
            facts.RootElement.GetProperty("d_ff").GetInt32())
        {
            Model = facts.RootElement.TryGetProperty("model", out JsonElement model)
                ? Path.Combine(directory, model.GetString()!)
                : directory,
        };
    }
}

/// <summary>The tests' own reader of files that they trust, which shares nothing with the one under test.</summary>
internal static class TinySafetensors
{
    public static IReadOnlySet<string> Names(string path)
    {
        using JsonDocument header = Header(File.ReadAllBytes(path));
        return header.RootElement.EnumerateObject().Select(static field => field.Name).Where(static name => name != "__metadata__").ToHashSet();
    }

    public static float[] ReadFloats(string path, string name) => Widen(Read(path, name, out byte[] bytes), bytes);

    /// <summary>A tensor's bytes as the file has them.</summary>
    public static byte[] ReadBytes(string path, string name)
    {
        Read(path, name, out byte[] bytes);
        return bytes;
    }

    public static long[] Shape(string path, string name)
    {
        using JsonDocument header = Header(File.ReadAllBytes(path));
        return [.. header.RootElement.GetProperty(name).GetProperty("shape").EnumerateArray().Select(static size => size.GetInt64())];
    }

    /// <summary>Any of the three float types, by the definition of its fields and not by shifting bits into place.</summary>
    public static float[] Widen(string type, ReadOnlySpan<byte> bytes)
    {
        float[] values = new float[bytes.Length / (type == "F32" ? 4 : 2)];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = type switch
            {
                "F32" => BinaryPrimitives.ReadSingleLittleEndian(bytes[(4 * i)..]),
                "BF16" => FromFields(BinaryPrimitives.ReadUInt16LittleEndian(bytes[(2 * i)..]), exponentBits: 8, mantissaBits: 7),
                "F16" => FromFields(BinaryPrimitives.ReadUInt16LittleEndian(bytes[(2 * i)..]), exponentBits: 5, mantissaBits: 10),
                _ => throw new ArgumentException(type),
            };
        }

        return values;
    }

    private static string Read(string path, string name, out byte[] bytes)
    {
        byte[] file = File.ReadAllBytes(path);
        using JsonDocument header = Header(file);
        JsonElement tensor = header.RootElement.GetProperty(name);
        int data = 8 + (int)BinaryPrimitives.ReadUInt64LittleEndian(file);
        bytes = file[(data + tensor.GetProperty("data_offsets")[0].GetInt32())..(data + tensor.GetProperty("data_offsets")[1].GetInt32())];
        return tensor.GetProperty("dtype").GetString()!;
    }

    private static float FromFields(ushort bits, int exponentBits, int mantissaBits)
    {
        int bias = (1 << (exponentBits - 1)) - 1;
        int exponent = (bits >> mantissaBits) & ((1 << exponentBits) - 1);
        double fraction = (bits & ((1 << mantissaBits) - 1)) / (double)(1 << mantissaBits);
        double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
        if (exponent == (1 << exponentBits) - 1)
        {
            return fraction == 0.0 ? (float)(sign * double.PositiveInfinity) : float.NaN;
        }

        double value = exponent == 0 ? fraction * Math.Pow(2.0, 1 - bias) : (1.0 + fraction) * Math.Pow(2.0, exponent - bias);
        return (float)(sign * value);
    }

    private static JsonDocument Header(byte[] file) => JsonDocument.Parse(file.AsMemory(8, (int)BinaryPrimitives.ReadUInt64LittleEndian(file)));
}
