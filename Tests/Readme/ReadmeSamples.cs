using System.Numerics.Tensors;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using NativeFfn.AspNetCore;
using NativeFfn.Checkpoints;
using NativeFfn.Hosting;

namespace NativeFfn.Tests.Readme;

/// <summary>The README's code, between marks that <see cref="ReadmeTests"/> looks for.</summary>
internal static class ReadmeSamples
{
    public static void RunRank(FfnCheckpoint checkpoint, float[] input, float[] output)
    {
        // sample: leader
        using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Parallel = "auto", Threads = 1 });
        using FfnLayer layer = engine.LoadLayer(checkpoint, 0);
        if (engine.Rank > 0)
        {
            engine.Follow();
            return;
        }

        layer.Forward(input, output);

        // end
    }

    public static void RunRankTogether(FfnCheckpoint checkpoint, float[] input, float[] output)
    {
        // sample: together
        using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Parallel = "expert=4", Threads = 1 });
        using FfnLayer layer = engine.LoadLayer(checkpoint, 0);
        layer.ForwardTogether(FfnMode.Block, input, output);

        // end
    }

    public static (float[] Ffn, float[] Residual, float[] Block) RunCheckpointLayer(string path, int index, float[] x)
    {
        // sample: checkpoint
        using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Auto });
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(path);
        using FfnLayer layer = engine.LoadLayer(checkpoint, index);

        float[] y = new float[x.Length];          // x and y: row-major [tokens, d_model]
        layer.Forward(x, y);                      // y = FFN(x)
        float[] r = new float[x.Length];
        layer.ForwardResidual(x, residual: x, r); // r = x + FFN(x)
        float[] b = new float[x.Length];
        layer.ForwardBlock(x, b);                 // b = x + FFN(norm(x)), or as the family has it
        Console.WriteLine(engine.Selection);      // which backend, and why not the others

        // end
        return (y, r, b);
    }

    public static float[] RunOwnWeights(float[] gate, float[] up, float[] down, int dModel, int dFf, float[] x)
    {
        // sample: spans
        using FfnEngine engine = FfnEngine.Create();
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, dModel, dFf);
        using FfnLayer layer = engine.CreateLayer(spec, new FfnWeights { Gate = gate, Up = up, Down = down });
        layer.ForwardResidual(x, x, x);           // in place: x += FFN(x)

        // end
        return x;
    }

    public static float[] RunStack(float[] x)
    {
        // sample: stack
        FfnSpec mlp = FfnSpec.Stack(
            new FfnStage(FfnKind.Relu, InputWidth: 784, Width: 256, HasBias: true),
            new FfnStage(FfnKind.Relu, InputWidth: 256, Width: 128, HasBias: true),
            new FfnStage(FfnKind.Linear, InputWidth: 128, Width: 10, HasBias: true));
        using FfnEngine engine = FfnEngine.Create();
        using FfnLayer network = engine.CreateLayer(mlp, new XavierWeights(mlp, seed: 1));
        float[] logits = new float[x.Length / 784 * 10];
        network.Forward(x, logits);

        // end
        return logits;
    }

    public static float[] RunChain(FfnEngine engine, FfnCheckpoint checkpoint, float[] x)
    {
        // sample: chain
        using FfnLayer first = engine.LoadLayer(checkpoint, 0);
        using FfnLayer second = engine.LoadLayer(checkpoint, 1);
        FfnChain chain = engine.CreateChain(first, second);
        float[] y = new float[x.Length];
        chain.Forward(FfnMode.Block, x, y);       // one block behind the other, without a copy in between

        // end
        return y;
    }

    public static Tensor<float> RunTensors(FfnLayer layer)
    {
        // sample: tensors
        Tensor<float> x = Tensor.CreateFromShape<float>([3, layer.Spec.InputWidth]);
        Tensor<float> y = Tensor.CreateFromShape<float>([3, layer.Spec.OutputWidth]);
        layer.Forward(x, y);

        // end
        return y;
    }

    public static void RunOnDevice(FfnLayer layer, nint cudaStream, nint deviceRows, int tokens)
    {
        // sample: device
        using FfnDeviceStream stream = layer.Engine.UseDeviceStream(cudaStream);
        var rows = new FfnDeviceRows(deviceRows, tokens, Stride: layer.Spec.DModel);
        layer.ForwardBlock(stream, rows, rows);   // in place, queued behind what the stream has; nothing waits
        stream.Synchronize();

        // end
    }

    public static void AddToServer(IHostApplicationBuilder builder, FfnSpec spec)
    {
        // sample: server
        builder.Services.AddNativeFfn(builder.Configuration.GetSection("NativeFfn"));
        builder.Services.Configure<NativeFfnOptions>(options => options.AddLayer("made", spec, new XavierWeights(spec, seed: 1)));

        // end
    }

    public static void AddEndpoints(WebApplicationBuilder builder)
    {
        // sample: endpoints
        builder.Services.AddNativeFfn();             // the section NativeFfn
        builder.Services.AddNativeFfnEndpoints();    // the section NativeFfnEndpoints
        builder.Services.AddNativeFfnGrpc();
        builder.Services.AddOpenApi();

        // end
    }

    public static void MapEndpoints(WebApplication app)
    {
        // sample: routes
        app.MapNativeFfn();
        app.MapNativeFfnGrpc();
        app.MapNativeFfnHealthChecks();
        app.MapOpenApi();

        // end
    }

    public static void MapGuarded(WebApplication app)
    {
        // sample: conventions
        app.MapGroup("/ffn").MapNativeFfn().RequireAuthorization("callers").RequireRateLimiting("each-caller");

        // end
    }

    public static async Task RunInServer(IServiceProvider services, float[] input, float[] output, CancellationToken cancellationToken)
    {
        // sample: client
        IFfnClient client = services.GetRequiredService<IFfnClient>();
        await client.ForwardAsync("made/0", input, output, cancellationToken);
        await client.ForwardAsync("made/0", input, output, new(FfnMode.Residual, Deadline: TimeSpan.FromSeconds(1)), cancellationToken);

        // end
    }
}
