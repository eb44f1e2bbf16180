using Microsoft.Extensions.Options;
using NativeFfn;
using NativeFfn.Checkpoints;
using NativeFfn.Hosting;
using NativeFfn.Server;
using NativeFfn.Server.Configuration;

// What a shell and an orchestrator take for bad usage, as the command has it.
const int BadInput = 2;

try
{
    await using WebApplication app = ServerApp.Create(args);
    await app.RunAsync();
    return 0;
}
catch (Exception refused) when (refused is ConfigurationException or OptionsValidationException or FfnHostingException or CheckpointException
    or BackendUnavailableException or NotSupportedException or IOException or InsufficientMemoryException or FormatException)
{
    await Console.Error.WriteLineAsync("server: error: " + refused.Message.ReplaceLineEndings(" "));
    return BadInput;
}
