using NativeFfn;
using NativeFfn.Checkpoints;

// The first layer of the checkpoint that is named, or a SwiGLU layer with random weights.
using FfnEngine engine = FfnEngine.Create();
using FfnLayer layer = args is [var path] ? Open(path) : Make(dModel: 512, dFf: 1376);

// Three tokens, one row of d_model numbers each.
float[] x = new float[3 * layer.Spec.DModel];
for (int i = 0; i < x.Length; i++)
{
    x[i] = MathF.Sin(i);
}

float[] y = new float[x.Length];
layer.ForwardResidual(x, residual: x, y);
Console.WriteLine($"{layer.Spec} on {engine.Backend.Name}, {engine.Backend.Version}");
Console.WriteLine($"x + FFN(x) of the first token starts with {string.Join(", ", y[..4])}");

FfnLayer Open(string path)
{
    using FfnCheckpoint checkpoint = FfnCheckpoint.Open(path);
    return engine.LoadLayer(checkpoint, layer: 0);
}

FfnLayer Make(int dModel, int dFf)
{
    FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, dModel, dFf);
    return engine.CreateLayer(spec, new XavierWeights(spec, seed: 1));
}
