namespace NativeFfn.Load.Scenarios;

/// <summary>What the clients of one measurement saw. Each client keeps its own; they are added up afterwards.</summary>
internal sealed class LoadStatistics
{
    private readonly List<float> _milliseconds = [];
    private readonly List<float> _millisecondsLate = [];

    /// <summary>Tokens of right answers.</summary>
    public long Tokens { get; private set; }

    /// <summary>Right answers.</summary>
    public long Answers { get; private set; }

    /// <summary>Answers with other numbers than expected.</summary>
    public long Wrong { get; private set; }

    /// <summary>Requests that were turned away with 429 and Retry-After.</summary>
    public long TurnedAway { get; private set; }

    /// <summary>Requests that found the server stopping: 503, or a connection that was closed before anything came back.</summary>
    public long Stopped { get; set; }

    /// <summary>Anything else.</summary>
    public long Failed { get; private set; }

    /// <summary>The first failure, for the report.</summary>
    public string? FirstFailure { get; private set; }

    /// <summary>Wall time of the measurement.</summary>
    public TimeSpan Elapsed { get; set; }

    /// <summary>Tokens in a second.</summary>
    public double TokensPerSecond => Tokens / Elapsed.TotalSeconds;

    /// <summary>Whether every request was answered rightly or turned away properly.</summary>
    public bool IsClean => Wrong == 0 && Failed == 0;

    /// <summary>Files an answer.</summary>
    public void Add(Wire.ForwardRequest request, in Wire.Answer answer, TimeSpan latency)
    {
        switch (answer.Status)
        {
            case 200 when request.Matches(answer.Body.Span):
                Answers++;
                Tokens += request.Tokens;
                _milliseconds.Add((float)latency.TotalMilliseconds);
                break;
            case 200:
                Wrong++;
                break;
            case 429 when answer.RetryAfter >= 1:
                TurnedAway++;
                break;
            case 503:
                Stopped++;
                break;
            default:
                Fail($"status {answer.Status}: {System.Text.Encoding.UTF8.GetString(answer.Body.Span)}");
                break;
        }
    }

    /// <summary>A request left this generator later than it should have, which is in no latency.</summary>
    public void SentLate(TimeSpan late) => _millisecondsLate.Add((float)late.TotalMilliseconds);

    public void Fail(string reason)
    {
        Failed++;
        FirstFailure ??= reason;
    }

    /// <summary>The latency that a share of the right answers did not pass, in milliseconds.</summary>
    public double Latency(double share) => Quantile(_milliseconds, share);

    /// <summary>How late a share of all requests was sent at most, in milliseconds.</summary>
    public double Lateness(double share) => Quantile(_millisecondsLate, share);

    /// <summary>Adds several clients up.</summary>
    public static LoadStatistics Sum(IEnumerable<LoadStatistics> parts, TimeSpan elapsed)
    {
        var sum = new LoadStatistics { Elapsed = elapsed };
        foreach (LoadStatistics part in parts)
        {
            sum.Tokens += part.Tokens;
            sum.Answers += part.Answers;
            sum.Wrong += part.Wrong;
            sum.TurnedAway += part.TurnedAway;
            sum.Stopped += part.Stopped;
            sum.Failed += part.Failed;
            sum.FirstFailure ??= part.FirstFailure;
            sum._milliseconds.AddRange(part._milliseconds);
            sum._millisecondsLate.AddRange(part._millisecondsLate);
        }

        return sum;
    }

    private static double Quantile(List<float> values, double share)
    {
        values.Sort();
        return values.Count == 0 ? 0 : values[Math.Min(values.Count - 1, (int)(share * values.Count))];
    }
}
