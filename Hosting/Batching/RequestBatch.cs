namespace NativeFfn.Hosting.Batching;

/// <summary>
/// Requests of one queue that were taken to be run together, and those that came out of it too late. Reused by its runner.
/// </summary>
internal sealed class RequestBatch
{
    /// <summary>What is run, in the order of arrival.</summary>
    public List<FfnRequest> Requests { get; } = [];

    /// <summary>What is not run because its deadline passed.</summary>
    public List<FfnRequest> Expired { get; } = [];

    /// <summary>Tokens of all requests that are run.</summary>
    public int Tokens { get; private set; }

    /// <summary>Whether requests still waited, of any queue, when these were taken.</summary>
    public bool LeftOthers { get; set; }

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
