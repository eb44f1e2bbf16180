using NativeFfn;
using NativeFfn.Checkpoints;

// mpirun -n 4 dotnet Ranks.dll MODEL [PLAN]: every rank has tokens of its own, and all share the layer's weights between them.
if (args is not [var model, ..])
{
    Console.Error.WriteLine("Start it as: mpirun -n 4 dotnet Ranks.dll MODEL [auto|tensor=T,expert=E]");
    return 2;
}

string plan = args.Length > 1 ? args[1] : "auto";
using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Parallel = plan, Threads = 1 });
using FfnCheckpoint checkpoint = FfnCheckpoint.Open(model);
using FfnLayer layer = engine.LoadLayer(checkpoint, layer: 0);

// One token on rank 0, two on rank 1, and so on.
float[] x = new float[(engine.Rank + 1) * layer.Spec.InputWidth];
for (int i = 0; i < x.Length; i++)
{
    x[i] = MathF.Sin((1000 * engine.Rank) + i);
}

layer.ForwardTogether(FfnMode.Residual, x, x);
string start = string.Join(", ", x[^layer.Spec.InputWidth..][..4]);
Console.WriteLine($"rank {engine.Rank} of {engine.Ranks}: x + FFN(x) of its last token starts with {start}");
return 0;
