using NativeFfn.Cli.Options;

namespace NativeFfn.Load;

/// <summary>What is measured, and with which programs.</summary>
internal sealed record LoadPlan
{
    /// <summary>The layer's widths.</summary>
    public required LayerShape Shape { get; init; }

    /// <summary>Length of one measurement.</summary>
    public required int Seconds { get; init; }

    /// <summary>Clients that send one request after the other.</summary>
    public required int Clients { get; init; }

    /// <summary>Tokens of a request are drawn from 1 to this, or are exactly this where <see cref="FixedTokens"/>.</summary>
    public required int Tokens { get; init; }

    /// <summary>Whether every request has the same number of tokens.</summary>
    public bool FixedTokens { get; init; }

    /// <summary>The server's <c>MaxBatchTokens</c>.</summary>
    public required int BatchTokens { get; init; }

    /// <summary>The server's <c>QueueCapacityTokens</c>.</summary>
    public required int QueueTokens { get; init; }

    /// <summary>The server's backend.</summary>
    public required BackendKind Backend { get; init; }

    /// <summary>How the server keeps the weights.</summary>
    public required FfnPrecision Precision { get; init; }

    /// <summary>How the layer is opened without a server: as the server opens it, so that the expected answers are its own.</summary>
    public FfnEngineOptions Engine => new() { Backend = Backend, Precision = Precision };

    /// <summary>Whether the same load is put on a server without batching.</summary>
    public bool Compare { get; init; }

    /// <summary>How many times the sustainable load is offered; 0 leaves that out.</summary>
    public double Overload { get; init; }

    /// <summary>Whether one of two layers is flooded, and deadlines pass behind a long forward.</summary>
    public bool Fairness { get; init; }

    /// <summary>Seconds of watching the memory; 0 leaves that out.</summary>
    public int Soak { get; init; }

    /// <summary>Whether faults are sent between good requests.</summary>
    public bool Faults { get; init; }

    /// <summary>The words of a command that starts the server on several ranks; none where it is one process.</summary>
    public required string[] Launcher { get; init; }

    /// <summary>The command's program.</summary>
    public required string Command { get; init; }

    /// <summary>Where the checkpoint is made.</summary>
    public required string Folder { get; init; }

    /// <summary>Further keys of the server's configuration, as <c>--Key:Name=value</c>.</summary>
    public required string[] ServerArguments { get; init; }
}
