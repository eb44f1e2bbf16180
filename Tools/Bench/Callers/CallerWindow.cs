using System.Diagnostics;
using NativeFfn.Cli;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Callers;

/// <summary>Callers that all want forwards at the same time, each with rows and a thread of its own, of a layer whose copies take turns.</summary>
internal sealed class CallerWindow : IDisposable
{
    private const int InputSeed = 1;

    private readonly IReadOnlyList<FfnLayer> _layers;
    private readonly AlignedFloats _input;
    private readonly AlignedFloats[] _outputs;
    private readonly int[] _turns;
    private readonly int _tokens;

    /// <summary>Prepares memory; nothing runs yet.</summary>
    /// <param name="layers">The copies of the layer.</param>
    /// <param name="callers">Callers at a time.</param>
    /// <param name="tokens">Rows of one forward.</param>
    public CallerWindow(IReadOnlyList<FfnLayer> layers, int callers, int tokens)
    {
        (_layers, _tokens) = (layers, tokens);
        _input = RandomRows.CreateAligned(tokens, layers[0].Spec.InputWidth, InputSeed);
        _outputs = [.. Enumerable.Range(0, callers).Select(_ => new AlignedFloats(_input.Length))];

        // As far apart as the copies allow.
        _turns = [.. Enumerable.Range(0, callers).Select(caller => caller * layers.Count / callers)];
    }

    /// <summary>Lets every caller run forward after forward for a while.</summary>
    /// <param name="length">How long at least; a forward that has begun is finished and counts.</param>
    /// <returns>Tokens a second of all callers together.</returns>
    public double TokensPerSecond(TimeSpan length)
    {
        using var start = new Barrier(_outputs.Length);
        var rates = new double[_outputs.Length];
        int counting = _outputs.Length;
        Thread[] callers = [.. Enumerable.Range(0, _outputs.Length).Select(caller => new Thread(() =>
        {
            for (int run = 0; run < _layers.Count; run++)
            {
                Forward(caller);
            }

            start.SignalAndWait();
            rates[caller] = Count(caller, length);

            // Nobody's last forward runs on a machine that others have left already.
            Interlocked.Decrement(ref counting);
            while (Volatile.Read(ref counting) > 0)
            {
                Forward(caller);
            }
        }))];
        Array.ForEach(callers, static caller => caller.Start());
        Array.ForEach(callers, static caller => caller.Join());
        return rates.Sum();
    }

    /// <summary>Runs one forward on the calling thread.</summary>
    public void Forward() => Forward(0);

    public void Dispose()
    {
        _input.Dispose();
        Array.ForEach(_outputs, static output => output.Dispose());
    }

    private double Count(int caller, TimeSpan length)
    {
        long start = Stopwatch.GetTimestamp();
        TimeSpan elapsed = TimeSpan.Zero;
        long forwards = 0;
        for (; elapsed < length; forwards++)
        {
            Forward(caller);
            elapsed = Stopwatch.GetElapsedTime(start);
        }

        return forwards * _tokens / elapsed.TotalSeconds;
    }

    private void Forward(int caller)
    {
        _turns[caller] = (_turns[caller] + 1) % _layers.Count;
        _layers[_turns[caller]].ForwardResidual(_input.Span, _input.Span, _outputs[caller].Span);
    }
}
