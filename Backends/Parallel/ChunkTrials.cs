using System.Numerics;

namespace NativeFfn.Backends.Parallel;

/// <summary>
/// Into how many chunks of tokens a layer's forwards go, so that one is computed while what ranks send of others is under way: tried while
/// forwards run, and then kept, as bits may depend on it.
/// </summary>
/// <remarks>
/// Chunks hide what a network takes, and cost: each reads the weights anew, and what copies data between processes is a processor, which is
/// hidden behind nothing. So for each power of two of tokens, twice as many chunks are tried against what was best so far, in pairs of forwards
/// whose order changes, as long as they are faster in nearly all pairs. For one thread at a time.
/// </remarks>
/// <param name="given">Chunks; 0 for trials.</param>
internal sealed class ChunkTrials(int given)
{
    /// <summary>Pairs that have to be won, before <see cref="Losses"/> are lost: of two ways that take the same time one does in 1 of 150 trials.</summary>
    private const int Wins = 12;

    /// <summary>Lost pairs that end the trials.</summary>
    private const int Losses = 3;

    private readonly Trial[] _trials = new Trial[sizeof(int) * 8];

    /// <summary>Chunks of the next forward, which is to be told by <see cref="Measured"/>.</summary>
    /// <param name="tokens">Its tokens; positive.</param>
    /// <param name="most">The most chunks that it can go in; at least 1.</param>
    public int Next(int tokens, int most)
    {
        ref Trial trial = ref TrialOf(tokens);
        return Math.Min(given > 0 ? given : trial.Next(Math.Min(most, 1 << BitOperations.Log2((uint)tokens))), most);
    }

    /// <summary>A forward has run, in as many chunks as was said last.</summary>
    /// <param name="tokens">Its tokens; positive.</param>
    /// <param name="time">How long it took.</param>
    public void Measured(int tokens, TimeSpan time)
    {
        if (given == 0)
        {
            TrialOf(tokens).Measured(time.TotalSeconds / tokens);
        }
    }

    private ref Trial TrialOf(int tokens) => ref _trials[BitOperations.Log2((uint)tokens)];

    private struct Trial
    {
        // Doublings of what is kept, and whether nothing is tried any more.
        private int _doublings;
        private bool _isOver;
        private int _forwards;
        private int _won;
        private int _lost;
        private double _first;

        // The first pair of each trial finds memory and caches cold.
        private readonly bool IsSettling => _forwards < 2;

        private readonly bool TriesMore => ((_forwards ^ (_forwards >> 1)) & 1) != 0;

        public int Next(int most)
        {
            _isOver |= 2 << _doublings > most;
            return 1 << (_isOver || !TriesMore ? _doublings : _doublings + 1);
        }

        public void Measured(double seconds)
        {
            if (_isOver)
            {
                return;
            }

            bool isSecond = _forwards % 2 == 1;
            if (isSecond && !IsSettling)
            {
                bool isFaster = TriesMore ? seconds < _first : _first < seconds;
                (_won, _lost) = isFaster ? (_won + 1, _lost) : (_won, _lost + 1);
            }

            _first = seconds;
            _forwards++;
            if (_won == Wins)
            {
                this = new Trial { _doublings = _doublings + 1 };
            }
            else
            {
                _isOver = _lost == Losses;
            }
        }
    }
}
