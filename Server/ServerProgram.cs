using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.Extensions.Options;
using NativeFfn.Checkpoints;
using NativeFfn.Hosting;
using NativeFfn.Server.Configuration;

namespace NativeFfn.Server;

/// <summary>The program: runs until it is told to end, or says in one line why it does not start.</summary>
internal static class Program
{
    // What shells and orchestrators take for bad usage, as the command has it.
    private const int BadInput = 2;

    // Some two hundred assemblies, the models' files, and a few connections.
    private const int FilesNeeded = 256;

    private static Task<int> Main(string[] args) => OpenFiles.HaveRoom(FilesNeeded, "server") ? RunAsync(args) : Task.FromResult(BadInput);

    private static async Task<int> RunAsync(string[] args)
    {
        try
        {
            await using WebApplication app = ServerApp.Create(args);
            using PosixSignalRegistration hangUp = DrainOnHangUp(app.Lifetime);
            await app.RunAsync();
            return 0;
        }
        catch (Exception refused) when (refused is ConfigurationException or OptionsValidationException or FfnHostingException
            or CheckpointException or BackendUnavailableException or NotSupportedException or IOException or FormatException
                or InsufficientMemoryException or InvalidDataException or InvalidOperationException or SocketException
                    or UnauthorizedAccessException or CryptographicException)
        {
            await Console.Error.WriteLineAsync("server: error: " + refused.Message.ReplaceLineEndings(" "));
            return BadInput;
        }
    }

    // A terminal that closes ends the server as SIGTERM does; by itself .NET would end the process at once.
    private static PosixSignalRegistration DrainOnHangUp(IHostApplicationLifetime lifetime) => PosixSignalRegistration.Create(
        PosixSignal.SIGHUP,
        signal =>
        {
            signal.Cancel = true;
            lifetime.StopApplication();
        });
}
