namespace NativeFfn.Hosting.Batching;

/// <summary>
/// Requests of one layer and mode that were taken to be run together, and those that came out of the queue too late. Reused by its runner.
/// </summary>
internal sealed class RequestBatch
{
    /// <summary>What is run, in the order in which it was taken.</summary>
    public List<FfnRequest> Requests { get; } = [];

    /// <summary>What is not run because its deadline passed.</summary>
    public List<FfnRequest> Expired { get; } = [];

    /// <summary>Tokens of all requests that are run.</summary>
    public int Tokens { get; private set; }

    /// <summary>Processors that the batch was given.</summary>
    public int Processors { get; set; }

    /// <summary>Seconds that it was expected to take; 0 where nothing was known.</summary>
    public double Expected { get; set; }

    /// <summary>Whether requests still waited, of any queue, when these were taken.</summary>
    public bool LeftOthers { get; set; }

    /// <summary>Whether those could be run meanwhile, if only there was another runner.</summary>
    public bool WantsHelp { get; set; }

    public void Add(FfnRequest request)
    {
        Requests.Add(request);
        Tokens += request.Tokens;
    }

    public void Clear()
    {
        Requests.Clear();
        Expired.Clear();
        Tokens = 0;
    }
}
