using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace NativeFfn.Backends.Parallel;

/// <summary>
/// A backend whose layers are cut over the ranks of a group. Rank 0 leads: it has the tokens, sends them to the others, and finishes the sum
/// of all ranks' results; the others follow until it stops.
/// </summary>
/// <remarks>
/// Every rank makes the same engines and layers in the same order. Forwards of a group run one after the other, since all ranks have to meet
/// in one order: callers wait for a lock. Once a rank has failed, everything throws.
/// </remarks>
internal sealed unsafe class ParallelBackend : IFfnBackend
{
    // Two numbers have one sum; of more it depends on their order, which MPI takes from the length.
    private const int TwoRanks = 2;

    // Ranks may read their parts from disks of very different speed.
    private static readonly TimeSpan LoadLimit = TimeSpan.FromHours(1);

    private readonly IFfnBackend _inner;
    private readonly MeteredCollective _collective;
    private readonly ParallelPlan _plan;
    private readonly FfnPrecision _precision;
    private readonly Lock _turn = new();
    private readonly List<ParallelLayer> _layers = [];
    private readonly int _chunks;
    private readonly HostRanks _host;
    private readonly TogetherForward _together;
    private readonly DeviceRanks? _device;
    private bool _stopped;

    /// <summary>Joins the group; returns when all ranks have.</summary>
    /// <param name="inner">What runs this rank's parts; owned from now on.</param>
    /// <param name="collective">The ranks; owned from now on.</param>
    /// <param name="plan">How layers are cut.</param>
    /// <param name="precision">How matrices are kept.</param>
    /// <param name="chunks">Chunks of tokens that forwards go in; 0 for as many as measure fastest, where bits cannot depend on it.</param>
    /// <param name="detour">Why rows of a GPU go over the host; null where they do not, or were asked to.</param>
    public ParallelBackend(IFfnBackend inner, ICollective collective, ParallelPlan plan, FfnPrecision precision, int chunks = 0, string? detour = null)
    {
        (_inner, _collective, _plan, _precision) = (inner, new MeteredCollective(collective), plan, precision);

        // The same bits from run to run: where they may depend on chunks, measuring does not choose.
        _chunks = chunks == 0 && (collective.Ranks > TwoRanks || !inner.Description.RowsAreIndependent) ? 1 : chunks;
        _host = new HostRanks(_collective);
        _together = new TogetherForward(_collective);
        _device = collective is NcclCollective nccl ? new DeviceRanks(inner, nccl, _collective) : null;
        string way = collective.Description + (detour is null ? string.Empty : $" over the host, without NCCL as {detour.Split('\n')[0]}");
        Description = inner.Description with
        {
            Version = $"{inner.Description.Version}, rank {collective.Rank} of {collective.Ranks} by {way}",
            ConcurrentForwards = 1,
            RowsAreIndependent = false,
        };
    }

    /// <inheritdoc/>
    public BackendDescription Description { get; }

    /// <inheritdoc/>
    public Exception? Failure => _inner.Failure ?? (_collective.Failure is { } reason ? new CollectiveFailedException(reason) : null);

    /// <inheritdoc/>
    public int Rank => _collective.Rank;

    /// <inheritdoc/>
    public int Ranks => _collective.Ranks;

    /// <inheritdoc/>
    public FfnCollectiveTotals Collectives => _collective.Totals;

    /// <inheritdoc/>
    public string? WhyUnsupported(FfnSpec spec) =>
        LayerCut.WhyNot(spec) is { } reason ? $"It cannot be cut over ranks: {reason}"
        : spec.Mixture is not null && !_inner.Description.RunsPartsOfMixtures
            ? $"backend {_inner.Description.Name} has no part of a mixture of experts. Use a backend on the CPU, or one rank."
        : _inner.WhyUnsupported(spec);

    /// <inheritdoc/>
    public ILoadedLayer Prepare(FfnSpec spec, IFfnWeightSource weights)
    {
        lock (_turn)
        {
            ParallelLayer? layer = null;
            Exception? problem = null;
            try
            {
                layer = Load(spec, weights);
            }
            catch (Exception exception)
            {
                problem = exception;
            }

            // Those that could not load say so, so that all go on together or none does.
            try
            {
                _collective.Barrier(LoadLimit);
                float failed = problem is null ? 0 : 1;
                _collective.AllReduce(new Span<float>(ref failed));
                if (problem is not null)
                {
                    ExceptionDispatchInfo.Throw(problem);
                }

                if (failed > 0)
                {
                    throw new NotSupportedException($"{failed} of {Ranks} ranks could not load {spec}; their messages say why.");
                }

                GroupChecks.RequireAlike(_collective, "layer", $"{_layers.Count}: {spec}");
                _layers.Add(layer!);
                return layer!;
            }
            catch
            {
                layer?.Free();
                throw;
            }
        }
    }

    /// <summary>Runs rows on all ranks; rank 0 alone may.</summary>
    public void Lead(ParallelLayer layer, in FfnRows rows)
    {
        if (Rank > 0)
        {
            throw new InvalidOperationException($"Rank {Rank} has no tokens of its own: rank 0 does. Call Follow there.");
        }

        int tokens = rows.Input.Height;
        if (tokens == 0)
        {
            return;
        }

        lock (_turn)
        {
            RequireWorking(layer);
            fixed (float* input = &rows.Input.DangerousGetReference(), output = &rows.Output.DangerousGetReference())
            fixed (float* residual = &rows.Residual.DangerousGetReference())
            {
                if (_device is not null)
                {
                    _device.Reserve(layer, tokens);
                    Send(new GroupMessage(GroupCommand.Run, layer.Number, tokens, Chunks: 1));
                    _device.Lead(layer, rows, new RowPlaces(input, residual, output));
                    return;
                }

                _host.Prepare(layer, rows, new RowPlaces(input, residual, output));
                int chunks = layer.Chunks.Next(tokens, HostRanks.MostChunks(layer, tokens));
                long start = Stopwatch.GetTimestamp();
                Send(new GroupMessage(GroupCommand.Run, layer.Number, tokens, chunks));
                _host.Lead(layer, rows, new RowPlaces(input, residual, output), chunks);
                layer.Chunks.Measured(tokens, Stopwatch.GetElapsedTime(start));
            }
        }
    }

    /// <summary>Runs every rank's own rows; all ranks call it, and no other forwards between.</summary>
    public void RunTogether(ParallelLayer layer, in FfnRows rows)
    {
        lock (_turn)
        {
            RequireWorking(layer);
            fixed (float* input = &rows.Input.DangerousGetReference(), output = &rows.Output.DangerousGetReference())
            fixed (float* residual = &rows.Residual.DangerousGetReference())
            {
                _together.Run(layer, rows, new RowPlaces(input, residual, output));
            }
        }
    }

    /// <inheritdoc/>
    public void Follow()
    {
        if (Rank == 0)
        {
            throw new InvalidOperationException("Rank 0 leads; others follow it.");
        }

        lock (_turn)
        {
            while (!_stopped)
            {
                GroupMessage message = Receive(Timeout.InfiniteTimeSpan);
                switch (message.Command)
                {
                    case GroupCommand.Stop:
                        _stopped = true;
                        break;
                    case GroupCommand.Run:
                        Serve(message);
                        break;
                }
            }
        }
    }

    /// <summary>Frees a layer's weights on this rank, after the forward that runs.</summary>
    public void Release(ParallelLayer layer)
    {
        lock (_turn)
        {
            if (!layer.IsDisposed)
            {
                layer.Free();
            }
        }
    }

    /// <inheritdoc/>
    public IDeviceStream OpenStream(nint? stream) => throw new NotSupportedException(
        "Layers that are cut over ranks take rows from the host's memory. Run on one rank what is on a GPU already.");

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_turn)
        {
            Leave();
            _stopped = true;
            _collective.Dispose();

            // Freeing memory waits for the device, and so for what never ends there.
            if (_device is null or { IsOver: true })
            {
                _inner.Dispose();
            }
        }
    }

    private ParallelLayer Load(FfnSpec spec, IFfnWeightSource weights)
    {
        var cut = new LayerCut(spec, weights, _precision, Rank, Ranks);
        var parts = new List<(ILoadedLayer Layer, LayerPart Part)>();
        try
        {
            foreach (LayerPart part in cut.Parts(_plan))
            {
                parts.Add((_inner.Prepare(part.Spec, part.Weights), part));
            }

            return new ParallelLayer(
                this, _layers.Count, new ChunkTrials(_chunks), spec, [.. parts], new BlockRows(spec, weights),
                spec.Mixture is null ? null : new RankRouter(spec, weights));
        }
        catch
        {
            parts.ForEach(static part => part.Layer.Dispose());
            throw;
        }
    }

    private void Send(GroupMessage message) => _collective.Broadcast(MemoryMarshal.AsBytes(new Span<GroupMessage>(ref message)), root: 0);

    private GroupMessage Receive(TimeSpan timeLimit)
    {
        GroupMessage message = default;
        _collective.Broadcast(MemoryMarshal.AsBytes(new Span<GroupMessage>(ref message)), root: 0, timeLimit);
        return message;
    }

    private void Serve(GroupMessage message)
    {
        if ((uint)message.Layer >= (uint)_layers.Count || message.Tokens < 1 || _layers[message.Layer].IsDisposed)
        {
            string problem = $"rank 0 asked rank {Rank} for layer {message.Layer}, which it does not have. Make the same layers on every rank.";
            _collective.Abort(problem);
            throw new CollectiveFailedException(problem);
        }

        ParallelLayer layer = _layers[message.Layer];
        if (_device is not null)
        {
            _device.Serve(layer, message.Tokens);
            return;
        }

        _host.Serve(layer, message.Tokens, message.Chunks);
    }

    private void RequireWorking(ParallelLayer layer)
    {
        ObjectDisposedException.ThrowIf(layer.IsDisposed || _stopped, layer);
        if (_collective.Failure is { } failure)
        {
            // Before memory that MPI may still write to is used anew.
            throw new CollectiveFailedException(failure);
        }
    }

    // The leader stops the others; who leaves without having followed waits for that, and ends the group where there would be work.
    private void Leave()
    {
        if (_stopped)
        {
            return;
        }

        try
        {
            if (Rank == 0)
            {
                Send(new GroupMessage(GroupCommand.Stop));
                return;
            }

            if (Receive(_collective.TimeLimit).Command == GroupCommand.Run)
            {
                _collective.Abort("it was disposed while rank 0 has work for it.");
            }
        }
        catch (CollectiveFailedException)
        {
            // Everybody is told already.
        }
    }
}
