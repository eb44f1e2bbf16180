using System.Globalization;
using NativeFfn.Backends.Storage;

namespace NativeFfn.Backends.Cpu.Gemm.Autotuning;

/// <summary>The token count that was measured for each shape of a projection.</summary>
/// <param name="key">What the measurements depend on: processor, library version, vector width.</param>
internal sealed class CrossoverFile(string key)
{
    private readonly MeasurementFile _file = new("crossover", key);

    /// <summary>The token count kept for a shape, or null.</summary>
    public int? Read(int inputWidth, int width) =>
        int.TryParse(_file.Read(NameOf(inputWidth, width)), NumberStyles.None, CultureInfo.InvariantCulture, out int tokens) ? tokens : null;

    /// <summary>Keeps a token count for a shape.</summary>
    public void Add(int inputWidth, int width, int tokens) =>
        _file.Add(NameOf(inputWidth, width), tokens.ToString(CultureInfo.InvariantCulture));

    private static string NameOf(int inputWidth, int width) => string.Create(CultureInfo.InvariantCulture, $"{inputWidth} {width}");
}
