using System.Collections.Immutable;
using System.CommandLine;

namespace NativeFfn.Cli.Options;

/// <summary>The options of every command that opens engines: what multiplies, how weights are kept, threads, which GPU, and which libraries.</summary>
internal sealed class EngineOptionGroup
{
    private readonly Option<CpuKernel> _kernel = CommonOptions.Kernel();
    private readonly Option<ImmutableArray<FfnPrecision>> _precisions;
    private readonly Option<int> _threads = CommonOptions.Threads();
    private readonly Option<string> _mklPath = CommonOptions.MklPath();
    private readonly Option<int> _device = CommonOptions.Device();
    private readonly Option<string> _cudaPath = CommonOptions.CudaPath();

    private EngineOptionGroup(Option<ImmutableArray<FfnPrecision>> precisions) => _precisions = precisions;

    /// <summary>Adds the options to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="severalPrecisions">Whether <c>--precision</c> takes a list, for <see cref="ReadEach"/>.</param>
    public static EngineOptionGroup AddTo(Command command, bool severalPrecisions = false)
    {
        var group = new EngineOptionGroup(severalPrecisions ? CommonOptions.Precisions() : CommonOptions.Precision());
        command.Add(group._kernel);
        command.Add(group._precisions);
        command.Add(group._threads);
        command.Add(group._mklPath);
        command.Add(group._device);
        command.Add(group._cudaPath);
        return group;
    }

    /// <summary>The engine asked for; its backend is left to the command.</summary>
    public FfnEngineOptions Read(ParseResult parsed) => ReadEach(parsed)[0];

    /// <summary>The engines asked for, one for each precision in the order given; their backend is left to the command.</summary>
    public ImmutableArray<FfnEngineOptions> ReadEach(ParseResult parsed)
    {
        var engine = new FfnEngineOptions
        {
            Kernel = parsed.GetValue(_kernel),
            Threads = parsed.GetValue(_threads),
            MklPath = parsed.GetValue(_mklPath),
            Device = parsed.GetValue(_device),
            CudaPath = parsed.GetValue(_cudaPath),
        };
        ImmutableArray<FfnPrecision> precisions = parsed.GetValue(_precisions);
        return precisions.IsDefault ? [engine] : [.. precisions.Select(precision => engine with { Precision = precision })];
    }
}
