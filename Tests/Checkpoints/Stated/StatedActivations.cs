using System.Globalization;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Checkpoints.Stated;

/// <summary>Activations by the names that configurations give them, in float64.</summary>
internal static class StatedActivations
{
    /// <summary>1 / (1 + e^-x).</summary>
    public static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    /// <summary>The activation of a name.</summary>
    /// <param name="name">The name.</param>
    /// <param name="read">Reads a number of the layer, where the activation has some; null where it has none.</param>
    public static Func<double, double> Of(string name, Func<string, double>? read) => name switch
    {
        "silu" or "swish" => static x => x * Sigmoid(x),
        "gelu" or "gelu_python" => static x => x / 2 * (1 + ReferenceMath.Erf(x / Math.Sqrt(2))),
        "gelu_new" or "gelu_pytorch_tanh" or "gelu_fast" => static x =>
            x / 2 * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))),
        "quick_gelu" => static x => x * Sigmoid(1.702 * x),
        "relu" => static x => Math.Max(0, x),
        "relu2" => static x => Math.Max(0, x) * Math.Max(0, x),
        "xielu" => Xielu(read!),
        _ when name.StartsWith("clamped", StringComparison.Ordinal) => static _ => throw new InvalidOperationException("It has a gate."),
        _ => throw new ArgumentException($"No activation is called {name}."),
    };

    /// <summary>gpt-oss: clamped:LIMIT keeps the gate below a limit and up within it, and adds 1 to up.</summary>
    public static double Clamped(string name, double gate, double up)
    {
        double limit = double.Parse(name.Split(':')[1], CultureInfo.InvariantCulture);
        double kept = Math.Min(gate, limit);
        return kept * Sigmoid(1.702 * kept) * (Math.Clamp(up, -limit, limit) + 1);
    }

    // Apertus: the learned numbers pass a softplus.
    private static Func<double, double> Xielu(Func<string, double> read)
    {
        double beta = read("mlp.act_fn.beta");
        double positive = Math.Log(1 + Math.Exp(read("mlp.act_fn.alpha_p")));
        double negative = beta + Math.Log(1 + Math.Exp(read("mlp.act_fn.alpha_n")));
        double epsilon = read("mlp.act_fn.eps");
        return x => (beta * x) + (x > 0 ? positive * x * x : negative * (Math.Exp(Math.Min(x, epsilon)) - 1 - x));
    }
}
