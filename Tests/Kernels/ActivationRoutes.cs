namespace NativeFfn.Tests.Kernels;

/// <summary>How the numbers under test reach the activation: backends may use another loop for each.</summary>
public enum ActivationRoute
{
    /// <summary>One token; the numbers are the weights of a one-stage stack: a long row.</summary>
    AlongARow,

    /// <summary>The same, as the gate of a gated stage whose other factor is 1.</summary>
    GateAlongARow,

    /// <summary>One number a token through a weight of 1: many short rows.</summary>
    DownTheTokens,

    /// <summary>One token through a hidden stage, handed on unchanged by an identity matrix.</summary>
    Hidden,

    /// <summary>The same, as the gate of a gated hidden stage.</summary>
    HiddenGate,
}

/// <summary>Computes activations of given numbers through the public API alone.</summary>
internal static class ActivationRoutes
{
    public static float[] Apply(FfnEngine engine, Activation activation, ActivationRoute route, float[] numbers)
    {
        bool gated = route is ActivationRoute.GateAlongARow or ActivationRoute.HiddenGate;
        bool down = route == ActivationRoute.DownTheTokens;
        bool hidden = route is ActivationRoute.Hidden or ActivationRoute.HiddenGate;
        int count = numbers.Length;
        var stage = new FfnStage(new FfnKind(gated, activation), 1, down ? 1 : count, false);
        FfnSpec spec = hidden ? FfnSpec.Stack(stage, new FfnStage(FfnKind.Linear, count, count, false)) : FfnSpec.Stack(stage);

        float[] one = [1];
        var weights = new FfnMemoryWeights(spec);
        foreach (FfnTensor tensor in spec.Tensors)
        {
            weights.Set(tensor.Name, (tensor.Role, tensor.Stage) switch
            {
                (FfnTensorRole.Weight, 1) => Identity(count),
                (FfnTensorRole.UpWeight, _) => Ones(count),
                _ => down ? one : numbers,
            });
        }

        using FfnLayer layer = engine.CreateLayer(spec, weights);
        float[] output = new float[count];
        layer.Forward(down ? numbers : one, output);
        return output;
    }

    /// <summary>Numbers from first to last at equal distances, both included, with none of them an exact multiple of a vector's length.</summary>
    public static float[] Grid(double first, double last, int count) =>
        [.. Enumerable.Range(0, count).Select(i => (float)(first + ((last - first) * i / (count - 1))))];

    private static float[] Ones(int count)
    {
        float[] ones = new float[count];
        Array.Fill(ones, 1f);
        return ones;
    }

    private static float[] Identity(int count)
    {
        float[] identity = new float[count * count];
        for (int i = 0; i < count; i++)
        {
            identity[(i * count) + i] = 1;
        }

        return identity;
    }
}
