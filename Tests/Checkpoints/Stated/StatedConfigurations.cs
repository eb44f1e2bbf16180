using System.Collections.Frozen;
using System.Globalization;

namespace NativeFfn.Tests.Checkpoints.Stated;

/// <summary>The keys of a model type's configuration, and what counts where they are absent; null where there is no such key.</summary>
internal sealed record StatedKeys(
    string? DModel, string? DFf, string? Layers, string? ActivationKey, string? Activation, string? EpsilonKey, double? Epsilon);

/// <summary>The configurations of model types, as <c>configurations.txt</c> has them from the models' sources.</summary>
internal static class StatedConfigurations
{
    private static readonly FrozenDictionary<string, StatedKeys> ByType = Read().ToFrozenDictionary();

    /// <summary>The keys of a type.</summary>
    public static StatedKeys Of(string type) => ByType[type];

    private static IEnumerable<KeyValuePair<string, StatedKeys>> Read()
    {
        StatedKeys? keys = null;
        string path = Path.Combine(AppContext.BaseDirectory, "Checkpoints", "Stated", "configurations.txt");
        foreach (string line in File.ReadLines(path).Where(static line => line.Length > 0 && line[0] != '#'))
        {
            string types = line;
            if (line[0] != ' ')
            {
                string[] halves = line.Split(" : ");
                string[] cells = halves[0].Split(' ');
                (string? activationKey, string? activation) = Pair(cells[3]);
                (string? epsilonKey, string? epsilon) = Pair(cells[4]);
                keys = new StatedKeys(
                    Cell(cells[0]), Cell(cells[1]), Cell(cells[2]), activationKey, activation, epsilonKey,
                    epsilon is null ? null : double.Parse(epsilon, CultureInfo.InvariantCulture));
                types = halves[1];
            }

            foreach (string type in types.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                yield return KeyValuePair.Create(type, keys!);
            }
        }
    }

    private static string? Cell(string cell) => cell == "-" ? null : cell;

    private static (string? Key, string? Value) Pair(string cell) => cell == "-" ? (null, null) : (cell.Split('=')[0], cell.Split('=')[1]);
}
