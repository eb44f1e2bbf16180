using NativeFfn;
using NativeFfn.Samples.AheadOfTime;

// Runs one layer on every backend that is available here and compares them with float64 and with each other.
// Exit 0: they agree; 1: they do not.

// Relative L2 error: a float32 layer of this size is at 3e-7, and a wrong kernel beyond 1e-2.
const double tolerance = 1e-5;

// Enough tokens for several slices; widths that are no whole number of vectors.
const int tokens = 65;

// Two callers, so that the first calls into a library come from several threads at a time.
const int callers = 2;
FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, dModel: 250, dFf: 682);
var weights = new XavierWeights(spec, seed: 1);
float[] x = [.. Enumerable.Range(0, tokens * spec.DModel).Select(static i => MathF.Sin(i))];
List<(string Name, double[] Output)> results = [("float64", Float64Layer.Run(spec, weights, x))];
foreach (BackendCandidate candidate in FfnEngine.Probe())
{
    if (!candidate.Available)
    {
        Console.WriteLine($"{Names<BackendKind>.Of(candidate.Kind)}: {candidate.Reason!.Split('\n')[0].TrimEnd()}");
        continue;
    }

    using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions
    {
        Backend = candidate.Kind,
        Threads = Math.Max(2, Environment.ProcessorCount),

        // MKL itself, and not what is faster for few tokens.
        Kernel = candidate.Description!.OwnKernel,
    });
    using FfnLayer layer = engine.CreateLayer(spec, weights);
    Console.WriteLine($"{engine.Backend.Name}: {engine.Backend.Version}");
    results.AddRange(RunAtOnce(layer).Select((y, caller) => ($"{engine.Backend.Name} {caller + 1}", y)));
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

double[][] RunAtOnce(FfnLayer layer)
{
    double[][] outputs = new double[callers][];
    int missing = callers;
    Thread[] threads = [.. Enumerable.Range(0, callers).Select(caller => new Thread(() =>
    {
        float[] y = new float[x.Length];

        // Awake, so that they start within a microsecond.
        Interlocked.Decrement(ref missing);
        while (Volatile.Read(ref missing) > 0)
        {
            Thread.SpinWait(1);
        }

        layer.Forward(x, y);
        outputs[caller] = Array.ConvertAll(y, static value => (double)value);
    }))];
    Array.ForEach(threads, static thread => thread.Start());
    Array.ForEach(threads, static thread => thread.Join());
    return outputs;
}
