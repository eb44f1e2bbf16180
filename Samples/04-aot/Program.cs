using NativeFfn;
using NativeFfn.Samples.AheadOfTime;

// Runs one layer on every backend that is available here and compares them with float64 and with each other.
// Exit 0: they agree; 1: they do not.

// Relative L2 error: a float32 layer of this size is at 3e-7, and a wrong kernel beyond 1e-2.
const double tolerance = 1e-5;

// Enough tokens for several slices, so that all threads of an engine start at once; and a width that is no whole number of vectors.
const int tokens = 65;
FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, dModel: 250, dFf: 682);
var weights = new XavierWeights(spec, seed: 1);
float[] x = [.. Enumerable.Range(0, tokens * spec.DModel).Select(static i => MathF.Sin(i))];
List<(string Name, double[] Output)> results = [("float64", Float64Layer.Run(spec, weights, x))];
foreach (BackendCandidate candidate in FfnEngine.Probe())
{
    if (!candidate.Available)
    {
        Console.WriteLine($"{BackendNames.Of(candidate.Kind)}: {candidate.Reason!.Split('\n')[0].TrimEnd()}");
        continue;
    }

    using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions
    {
        Backend = candidate.Kind,
        Threads = Math.Max(2, Environment.ProcessorCount),

        // MKL itself, and not what is faster for few tokens.
        Kernel = candidate.Kind == BackendKind.Mkl ? CpuKernel.Mkl : CpuKernel.Auto,
    });
    using FfnLayer layer = engine.CreateLayer(spec, weights);
    float[] y = new float[x.Length];
    layer.Forward(x, y);
    Console.WriteLine($"{engine.Backend.Name}: {engine.Backend.Version}");
    results.Add((engine.Backend.Name, Array.ConvertAll(y, static value => (double)value)));
}

bool agree = true;
for (int i = 0; i < results.Count; i++)
{
    for (int j = i + 1; j < results.Count; j++)
    {
        double error = Float64Layer.RelativeError(results[j].Output, results[i].Output);
        Console.WriteLine($"{results[j].Name} against {results[i].Name}: relative error {error:0.0e+0}");

        // Not so written that NaN would pass.
        agree &= error <= tolerance;
    }
}

Console.WriteLine(agree ? "all agree" : $"they disagree by more than {tolerance:0e+0}");
return agree ? 0 : 1;
