using System.Runtime.InteropServices;
using NativeFfn.Checkpoints;

namespace NativeFfn.Load.Wire;

/// <summary>Distinct requests, each with the answer that the library gives without a server.</summary>
internal sealed class RequestSet
{
    public const string Path = "/v1/layers/model/0/forward" + Mode;

    private const string Mode = "?mode=residual";

    // Enough that two requests that meet in a batch are hardly ever the same.
    private const int RequestsOfEachSize = 32;

    private RequestSet(ForwardRequest[] requests, FfnSpec spec)
    {
        Requests = requests;
        Spec = spec;
    }

    /// <summary>All requests, the small ones first.</summary>
    public ForwardRequest[] Requests { get; }

    /// <summary>The layer.</summary>
    public FfnSpec Spec { get; }

    /// <summary>Computes the answers.</summary>
    /// <param name="plan">Sizes and backend.</param>
    /// <param name="model">The checkpoint.</param>
    /// <param name="extraHeaders">Lines for every request's head, such as a key.</param>
    /// <param name="name">What the server calls the model.</param>
    public static RequestSet Create(LoadPlan plan, string model, string extraHeaders = "", string name = "model")
    {
        string path = $"/v1/layers/{name}/0/forward{Mode}";
        using FfnEngine engine = FfnEngine.Create(plan.Engine);
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(model);
        using FfnLayer layer = engine.LoadLayer(checkpoint, 0);
        var random = new Random(1);
        var requests = new List<ForwardRequest>();
        for (int tokens = plan.FixedTokens ? plan.Tokens : 1; tokens <= plan.Tokens; tokens++)
        {
            for (int i = 0; i < RequestsOfEachSize; i++)
            {
                float[] rows = new float[tokens * layer.Spec.InputWidth];
                foreach (ref float value in rows.AsSpan())
                {
                    value = (2f * random.NextSingle()) - 1f;
                }

                float[] expected = new float[tokens * layer.Spec.OutputWidth];
                layer.ForwardResidual(rows, rows, expected);
                requests.Add(new ForwardRequest(
                    tokens, ForwardRequest.Encode(path, MemoryMarshal.AsBytes(rows.AsSpan()), extra: extraHeaders), expected));
            }
        }

        return new RequestSet([.. requests], layer.Spec);
    }

    /// <summary>A request at random; its sizes are equally likely.</summary>
    public ForwardRequest Draw(Random random) => Requests[random.Next(Requests.Length)];
}
