namespace NativeFfn.Tests.Checkpoints.Stated;

/// <summary>A network's matrices, row-major [out, in], and biases, by part: g, u and d; of every expert, where there are several.</summary>
internal sealed class StatedMatrices
{
    private readonly Dictionary<(char Part, int Expert), double[]> _weights = [];
    private readonly Dictionary<(char Part, int Expert), double[]> _biases = [];

    /// <summary>Makes the matrices of so many experts and places them among a file's tensors.</summary>
    /// <param name="net">The projections, as <see cref="StatedForm.Net"/> has them.</param>
    /// <param name="biases">The parts with a bias.</param>
    /// <param name="path">What stands before a module's name.</param>
    /// <param name="size">d_model, d_ff and the number of experts.</param>
    /// <param name="file">The file's tensors.</param>
    public StatedMatrices(string net, string biases, string path, (int DModel, int DFf, int Experts) size, StatedFile file)
    {
        Size = size;
        foreach (string projection in net.Split(' '))
        {
            string[] cells = projection.Split(':');
            Place(cells[0], path, cells[1], biases, file);
        }
    }

    /// <summary>d_model, d_ff and the number of experts.</summary>
    public (int DModel, int DFf, int Experts) Size { get; }

    /// <summary>Whether there is a gate.</summary>
    public bool IsGated => _weights.ContainsKey(('g', 0));

    /// <summary>W x + b of a part.</summary>
    public double[] Project(char part, int expert, double[] x)
    {
        double[] weight = _weights[(part, expert)];
        double[]? bias = _biases.GetValueOrDefault((part, expert));
        double[] y = new double[weight.Length / x.Length];
        for (int o = 0; o < y.Length; o++)
        {
            y[o] = bias?[o] ?? 0;
            for (int i = 0; i < x.Length; i++)
            {
                y[o] += weight[(o * x.Length) + i] * x[i];
            }
        }

        return y;
    }

    private void Place(string code, string path, string module, string biases, StatedFile file)
    {
        char[] parts = [.. code.Where(static letter => letter is 'g' or 'u' or 'd')];
        bool turns = code.Contains('+', StringComparison.Ordinal);
        bool turned = code.Contains('\'', StringComparison.Ordinal);
        bool isFlat = code.Contains('F', StringComparison.Ordinal);
        bool isStack = isFlat || code.Contains('E', StringComparison.Ordinal);
        bool isWhole = module[0] == '=';
        bool hasBias = parts.Any(part => biases.Contains(part, StringComparison.Ordinal));
        int columns = parts[0] == 'd' ? Size.DFf : Size.DModel;
        int rows = parts.Length * (parts[0] == 'd' ? Size.DModel : Size.DFf);
        var (stack, vectors) = (new List<float>(), new List<float>());
        for (int expert = 0; expert < Size.Experts; expert++)
        {
            float[] matrix = file.Numbers(rows * columns);
            float[] vector = hasBias ? file.Numbers(rows) : [];
            for (int i = 0; i < parts.Length; i++)
            {
                int[] own = [.. Enumerable.Range(0, rows).Where(row => (turns ? row % parts.Length : row / (rows / parts.Length)) == i)];
                _weights[(parts[i], expert)] = [.. own.SelectMany(row => matrix.AsSpan(row * columns, columns).ToArray()).Select(static w => (double)w)];
                if (hasBias)
                {
                    _biases[(parts[i], expert)] = [.. own.Select(row => (double)vector[row])];
                }
            }

            float[] stored = turned ? Weights.Transposed(matrix, rows) : matrix;
            stack.AddRange(stored);
            vectors.AddRange(vector);
            if (!isStack || expert == Size.Experts - 1)
            {
                string name = path + module.TrimStart('=').Replace("{e}", $"{expert}", StringComparison.Ordinal);
                (long first, long second) = turned ? (columns, rows) : (rows, columns);
                long[] shape = isFlat ? [first * Size.Experts, second] : isStack ? [Size.Experts, first, second] : [first, second];
                file.Add(isWhole ? name : name + ".weight", shape, isStack ? [.. stack] : stored);
                if (hasBias)
                {
                    file.Add(isWhole ? name + "_bias" : name + ".bias", isStack ? [Size.Experts, rows] : [rows], isStack ? [.. vectors] : vector);
                }
            }
        }
    }
}

/// <summary>The tensors of a file, of numbers that are the same every time.</summary>
internal sealed class StatedFile
{
    private readonly List<(string Name, long[] Shape, float[] Values)> _tensors = [];
    private readonly Random _random = new(23);

    /// <summary>The safetensors file.</summary>
    public byte[] Bytes => RawCheckpoint.File([.. _tensors.Select(
        static tensor => (tensor.Name, "F32", tensor.Shape, RawCheckpoint.Bytes(tensor.Values)))]);

    /// <summary>So many numbers within ±1.</summary>
    public float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => (2 * _random.NextSingle()) - 1)];

    /// <summary>Adds a tensor.</summary>
    public void Add(string name, long[] shape, float[] values) => _tensors.Add((name, shape, values));

    /// <summary>Adds a tensor of numbers and gives them back.</summary>
    public double[] Make(string name, params long[] shape)
    {
        float[] values = Numbers((int)shape.Aggregate(1L, static (a, b) => a * b));
        Add(name, shape, values);
        return [.. values.Select(static value => (double)value)];
    }
}
