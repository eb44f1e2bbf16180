using System.Globalization;
using System.Text.Json.Nodes;

namespace NativeFfn.Tests.Checkpoints.Stated;

/// <summary>One layer of a form, written to a file and computed in float64 by the form's own words.</summary>
internal sealed class StatedModel
{
    private const int DModel = 8;
    private const int Experts = 4;
    private const int ExpertDFf = 6;

    // What keys are given where their values are not those of an absent key.
    private const double OtherEpsilon = 0.25;
    private const double OtherScaling = 1.5;
    private const string OtherActivation = "relu";

    private readonly StatedForm _form;
    private readonly StatedFile _file = new();
    private readonly StatedMatrices _net;
    private readonly StatedMatrices? _shared;
    private readonly StatedRouting? _routing;
    private readonly double[]? _sharedGate;
    private readonly double[]? _outputBias;
    private readonly double[]? _scale;
    private readonly double _tanh = 1;
    private readonly Func<double, double> _activate;
    private readonly Dictionary<string, StatedNorm> _norms = [];

    /// <summary>Writes the layer.</summary>
    /// <param name="form">The form.</param>
    /// <param name="type">Which of its types.</param>
    /// <param name="prefix">What stands before the layer's path.</param>
    /// <param name="saysAll">Whether every key is there and says something else than what counts without it.</param>
    public StatedModel(StatedForm form, string type, string prefix, bool saysAll)
    {
        _form = form;
        StatedKeys keys = StatedConfigurations.Of(type);
        Config = new JsonObject { ["model_type"] = type };
        foreach ((string key, JsonNode value) in Entries(form.Config + " " + form.Router?.Config))
        {
            Set(Config, key, value, overrides: true);
        }

        Set(Config, keys.DModel, DModel);
        Set(Config, keys.DFf, keys.DFf?.EndsWith("_ratio", StringComparison.Ordinal) == true ? 1.5 : form.DFf);
        Set(Config, keys.Layers, form.Layer + 1);
        Activation = form.Activation ?? keys.Activation!;
        Epsilon = form.Epsilon ?? keys.Epsilon!.Value;
        string biases = form.Biases;
        if (saysAll)
        {
            Set(Config, keys.EpsilonKey, OtherEpsilon);
            Set(Config, form.BiasKey, true);
            Epsilon = keys.EpsilonKey is null || form.Epsilon is not null ? Epsilon : OtherEpsilon;
            biases = form.BiasKey is null ? biases : "gud";
            Set(Config, form.Router?.RenormalizesKey, !form.Router?.Renormalizes);
            Set(Config, form.Router?.ScalingKey, OtherScaling);
            if (form.Activation is null)
            {
                Set(Config, keys.ActivationKey, OtherActivation, overrides: true);
                Activation = OtherActivation;
            }
        }

        string path = prefix + form.Path.Replace("{i}", $"{form.Layer}", StringComparison.Ordinal);
        _net = new(form.Net, biases, path, form.Router is null ? (DModel, form.DFf, 1) : (DModel, ExpertDFf, Experts), _file);
        if (form.Router is { } router)
        {
            _routing = new(router, saysAll && router.RenormalizesKey is not null, saysAll && router.ScalingKey is not null ? OtherScaling
                : router.Scaling, path, (DModel, Experts), _file);
            _shared = router.Shared is null ? null : new(router.Shared, "", path, (DModel, router.SharedDFf, 1), _file);
            _sharedGate = router.SharedGate is null ? null : _file.Make(path + router.SharedGate + ".weight", 1, DModel);
            _outputBias = router.OutputBias is null ? null : _file.Make(path + router.OutputBias, DModel);
        }

        foreach (string norm in form.Norms.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            string place = norm[..norm.IndexOf(':', StringComparison.Ordinal)];
            _norms.Add(place, new(norm, prefix, path, form.Layer, place == "inner" ? form.DFf : DModel, Epsilon, _file));
        }

        _scale = form.Scale is null ? null : _file.Make(path + form.Scale, DModel);
        _tanh = form.TanhGate is null ? 1 : Math.Tanh(_file.Make(path + form.TanhGate, 1)[0]);
        _activate = StatedActivations.Of(Activation, form.HasXielu ? name => _file.Make(path + name, 1)[0] : null);
    }

    /// <summary>The configuration.</summary>
    public JsonObject Config { get; }

    /// <summary>The safetensors file.</summary>
    public byte[] Bytes => _file.Bytes;

    /// <summary>The activation, as configurations spell it.</summary>
    public string Activation { get; }

    /// <summary>ε of the norms.</summary>
    public double Epsilon { get; }

    /// <summary>What the layer makes of rows.</summary>
    /// <param name="mode">ffn, residual or block.</param>
    /// <param name="rows">Rows of d_model.</param>
    public double[] Run(string mode, float[] rows) => [.. rows.Chunk(DModel).SelectMany(row => RunRow(mode, [.. row.Select(static x => (double)x)]))];

    private double[] RunRow(string mode, double[] x)
    {
        if (mode != "block")
        {
            double[] result = Forward(x);
            return mode == "ffn" ? result : Map(result, (y, i) => y + x[i]);
        }

        double[] normed = Norm("pre", x);
        double[] branch = Norm("branch", Forward(normed));
        double[] residual = _form.ResidualIsNormed ? normed : x;
        return Norm("post", Map(branch, (y, i) => (y * _form.Branch * _tanh * (_scale?[i] ?? 1)) + (residual[i] * _form.Residual)));
    }

    private double[] Norm(string place, double[] x) => _norms.TryGetValue(place, out StatedNorm? norm) ? norm.Of(x) : x;

    private double[] Forward(double[] x)
    {
        if (_routing is null)
        {
            return Map(Network(_net, 0, x), (y, _) => y * _form.OutputFactor);
        }

        double[] sum = _shared is null ? new double[DModel] : Network(_shared, 0, x);
        double open = _sharedGate is null ? 1 : StatedActivations.Sigmoid(_sharedGate.Select((w, i) => w * x[i]).Sum());
        sum = Map(sum, (y, i) => (y * open * _form.Router!.SharedFactor) + (_outputBias?[i] ?? 0));
        foreach ((int expert, double weight) in _routing.Route(x))
        {
            double[] result = _form.Router!.WeighsInput
                ? Network(_net, expert, Map(x, (value, _) => value * weight))
                : Map(Network(_net, expert, x), (value, _) => value * weight);
            sum = Map(sum, (y, i) => y + result[i]);
        }

        return sum;
    }

    private double[] Network(StatedMatrices net, int expert, double[] x)
    {
        double[] up = net.Project('u', expert, x);
        double[] hidden;
        if (!net.IsGated)
        {
            hidden = Map(up, (u, _) => _activate(u));
        }
        else
        {
            double[] gate = Map(Sieve(net.Project('g', expert, x)), (g, _) => g * _form.InputFactor);
            hidden = Activation.StartsWith("clamped", StringComparison.Ordinal)
                ? Map(gate, (g, i) => StatedActivations.Clamped(Activation, g, up[i]))
                : Map(gate, (g, i) => _activate(g) * up[i]);
        }

        return net.Project('d', expert, Norm("inner", hidden));
    }

    private double[] Sieve(double[] gate)
    {
        if (_form.Sieve is not { } deviations)
        {
            return gate;
        }

        double mean = gate.Average();
        double spread = Math.Sqrt(gate.Average(g => (g - mean) * (g - mean)));
        return Map(gate, (g, _) => Math.Max(0, g - mean - (deviations * spread)));
    }

    private static double[] Map(double[] x, Func<double, int, double> change) => [.. x.Select(change)];

    /// <summary>Entries <c>key=JSON</c>, with spaces between them.</summary>
    public static IEnumerable<(string Key, JsonNode Value)> Entries(string text) =>
        text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(static entry => entry.Split('=', 2))
            .Select(static entry => (entry[0], JsonNode.Parse(entry[1])!));

    private static void Set(JsonObject config, string? key, JsonNode? value, bool overrides = false)
    {
        if (key is null)
        {
            return;
        }

        string[] parts = key.Split('.');
        foreach (string part in parts[..^1])
        {
            config = (config[part] ??= new JsonObject()).AsObject();
        }

        if (overrides || !config.ContainsKey(parts[^1]))
        {
            config[parts[^1]] = value;
        }
    }
}

/// <summary>A norm of a form.</summary>
internal sealed class StatedNorm
{
    private readonly double[]? _weight;
    private readonly double[]? _bias;
    private readonly double _added;
    private readonly double _epsilon;
    private readonly bool _centres;

    /// <summary>Writes a norm that is stated as <c>place:kind:module</c>.</summary>
    public StatedNorm(string norm, string prefix, string path, int layer, int width, double epsilon, StatedFile file)
    {
        string[] cells = norm.Split(':');
        string[] kind = cells[1].Split('+');
        _centres = kind[0][0] == 'L';
        _epsilon = epsilon;
        _added = kind.Length > 1 ? double.Parse(kind[1], CultureInfo.InvariantCulture) : 0;
        if (kind[0].EndsWith('0'))
        {
            return;
        }

        string module = cells[2].Replace("{i}", $"{layer}", StringComparison.Ordinal);
        string name = module[0] == '/' ? prefix + module[1..] : path + module;
        _weight = file.Make(name + ".weight", width);
        _bias = kind[0] == "L" ? file.Make(name + ".bias", width) : null;
    }

    /// <summary>The norm of a row.</summary>
    public double[] Of(double[] x)
    {
        double mean = _centres ? x.Average() : 0;
        double root = Math.Sqrt(x.Average(value => (value - mean) * (value - mean)) + _epsilon);
        return [.. x.Select((value, i) => ((value - mean) / root * (_weight is null ? 1 : _weight[i] + _added)) + (_bias?[i] ?? 0))];
    }
}
