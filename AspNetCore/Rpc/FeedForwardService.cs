using System.Threading.Channels;
using Google.Protobuf;
using Grpc.Core;
using NativeFfn.AspNetCore.Http;
using NativeFfn.Hosting;

namespace NativeFfn.AspNetCore.Rpc;

/// <summary>The layers over gRPC, by the same queue as over HTTP.</summary>
internal sealed partial class FeedForwardService(IFfnClient client, LayerCatalog layers, RowMemory memory, ILogger<FeedForwardService> log)
    : FeedForward.FeedForwardBase
{
    // Requests of one stream that wait together: enough to fill batches, few enough that one client is not all of the queue.
    private const int InFlight = 16;

    public override Task<ListLayersReply> ListLayers(ListLayersRequest request, ServerCallContext context)
    {
        var reply = new ListLayersReply();
        try
        {
            reply.Layers.AddRange(layers.Describe().Select(Described));
        }
        catch (Exception error)
        {
            LogInternal(error);
            throw RpcErrors.ExceptionOf(error);
        }

        return Task.FromResult(reply);
    }

    public override async Task<ForwardReply> Forward(ForwardRequest request, ServerCallContext context)
    {
        try
        {
            return await RunAsync(request, context);
        }
        catch (Exception error)
        {
            LogInternal(error);
            throw RpcErrors.ExceptionOf(error);
        }
    }

    public override async Task ForwardStream(
        IAsyncStreamReader<ForwardRequest> requests, IServerStreamWriter<ForwardReply> replies, ServerCallContext context)
    {
        var running = Channel.CreateBounded<Task<ForwardReply>>(
            new BoundedChannelOptions(InFlight) { SingleReader = true, SingleWriter = true });
        Task reading = ReadAllAsync(requests, running.Writer, context);
        try
        {
            await foreach (Task<ForwardReply> reply in running.Reader.ReadAllAsync())
            {
                await replies.WriteAsync(await reply);
            }
        }
        finally
        {
            // A client that went away leaves requests behind: they use its call and must end before it does.
            while (await running.Reader.WaitToReadAsync())
            {
                while (running.Reader.TryRead(out Task<ForwardReply>? rest))
                {
                    await rest;
                }
            }

            await reading;
        }
    }

    private static Layer Described(LayerEntry layer)
    {
        var described = new Layer
        {
            Name = layer.Name,
            Kind = layer.Kind,
            InputWidth = layer.InputWidth,
            OutputWidth = layer.OutputWidth,
            WeightBytes = layer.WeightBytes,
            Experts = layer.Experts ?? 0,
            TopK = layer.TopK ?? 0,
            Loaded = layer.Loaded,
            Precision = layer.Precision ?? string.Empty,
            Backend = layer.Backend ?? string.Empty,
            BackendVersion = layer.BackendVersion ?? string.Empty,
            Threads = layer.Threads ?? 0,
            Gemms = layer.Gemms ?? string.Empty,
        };
        described.HiddenWidths.AddRange(layer.HiddenWidths);
        described.Encodings.AddRange(layer.Encodings ?? []);
        described.Modes.AddRange(layer.Modes.Select(static mode => Enum.Parse<Mode>(mode, ignoreCase: true)));
        return described;
    }

    private async Task ReadAllAsync(
        IAsyncStreamReader<ForwardRequest> requests, ChannelWriter<Task<ForwardReply>> running, ServerCallContext context)
    {
        try
        {
            while (await requests.MoveNext(context.CancellationToken))
            {
                await running.WriteAsync(RunAloneAsync(requests.Current, context), context.CancellationToken);
            }
        }
        catch (Exception gone) when (gone is OperationCanceledException or IOException)
        {
            // The client ended the call; there is nobody to tell.
        }
        finally
        {
            running.Complete();
        }
    }

    // A failure becomes the reply, so that it stays with its request.
    private async Task<ForwardReply> RunAloneAsync(ForwardRequest request, ServerCallContext context)
    {
        try
        {
            return await RunAsync(request, context);
        }
        catch (Exception error)
        {
            LogInternal(error);
            Status status = RpcErrors.StatusOf(error);
            return new ForwardReply { Error = new ForwardError { Code = (int)status.StatusCode, Message = status.Detail } };
        }
    }

    private async Task<ForwardReply> RunAsync(ForwardRequest request, ServerCallContext context)
    {
        FfnLayerInfo layer = layers.Find(request.Layer);
        int row = layer.Spec.InputWidth * sizeof(float);
        if (request.Rows.Length == 0)
        {
            throw new RequestException(
                ProblemKind.BadRows, $"rows is empty; a row of '{layer.Name}' has {row} bytes. Send at least one row.");
        }

        if (request.Rows.Length % row != 0)
        {
            throw new RequestException(
                ProblemKind.BadRows,
                $"rows has {request.Rows.Length} bytes, but a row of '{layer.Name}' has {layer.Spec.InputWidth} float32 elements, {row} " +
                "bytes. Send whole rows.");
        }

        using var input = new RowBuffer(memory);
        using var output = new RowBuffer(memory);
        input.Append(request.Rows.Span);
        input.SwapIfBigEndian();
        output.Allocate(checked(request.Rows.Length / row * layer.Spec.OutputWidth));
        await client.ForwardAsync(
            layer.Name, input.Elements, output.Elements,
            new FfnRequestOptions
            {
                Mode = ModeOf(request.Mode), Deadline = DeadlineOf(context), Priority = PriorityOf(request.Priority),
            },
            context.CancellationToken);
        output.SwapIfBigEndian();
        return new ForwardReply { Rows = ByteString.CopyFrom(output.Bytes) };
    }

    private static FfnMode ModeOf(Mode mode) => mode switch
    {
        Mode.Ffn => FfnMode.Ffn,
        Mode.Residual => FfnMode.Residual,
        Mode.Block => FfnMode.Block,
        _ => throw new RequestException(ProblemKind.BadRequest, $"mode is {(int)mode}, but must be FFN, RESIDUAL or BLOCK."),
    };

    private static FfnPriority PriorityOf(Priority priority) => priority switch
    {
        Priority.Normal => FfnPriority.Normal,
        Priority.Low => FfnPriority.Low,
        Priority.High => FfnPriority.High,
        _ => throw new RequestException(
            ProblemKind.BadRequest, $"priority is {(int)priority}, but must be PRIORITY_NORMAL, PRIORITY_LOW or PRIORITY_HIGH."),
    };

    // gRPC carries the client's deadline itself; the queue drops what cannot be in time.
    private static TimeSpan? DeadlineOf(ServerCallContext context)
    {
        if (context.Deadline == DateTime.MaxValue)
        {
            return null;
        }

        TimeSpan left = context.Deadline - DateTime.UtcNow;
        return left > TimeSpan.Zero ? left : TimeSpan.FromTicks(1);
    }

    private void LogInternal(Exception error)
    {
        if (error is not OperationCanceledException && ProblemKind.Of(error).Kind == ProblemKind.Failed)
        {
            LogFailure(log, error);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A gRPC request failed")]
    private static partial void LogFailure(ILogger log, Exception error);
}
