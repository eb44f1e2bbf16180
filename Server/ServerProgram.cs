using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.Extensions.Options;
using NativeFfn.Checkpoints;
using NativeFfn.Hosting;
using NativeFfn.Server.Configuration;

namespace NativeFfn.Server;

/// <summary>The server from its start to its end, which <c>nativeffn serve</c> runs.</summary>
internal static class ServerProgram
{
    /// <summary>Serves until the process is told to end, by Ctrl+C, SIGTERM, SIGQUIT or SIGHUP, and then drains.</summary>
    /// <param name="arguments">Words as <see cref="CommandLine"/> takes them.</param>
    /// <returns>The exit code: not 0 where the ranks of a job failed.</returns>
    /// <exception cref="ConfigurationException">It does not start; the message says why.</exception>
    public static async Task<int> RunAsync(string[] arguments)
    {
        try
        {
            if (ServerApp.Follows(arguments))
            {
                using IHost follower = ServerApp.CreateFollower(arguments);
                using PosixSignalRegistration hangUp = DrainOnHangUp(follower.Services.GetRequiredService<IHostApplicationLifetime>());
                await follower.RunAsync();
            }
            else
            {
                await using WebApplication app = ServerApp.Create(arguments);
                using PosixSignalRegistration hangUp = DrainOnHangUp(app.Lifetime);
                await app.RunAsync();
            }

            return Environment.ExitCode;
        }
        catch (Exception refused) when (refused is OptionsValidationException or FfnHostingException
            or CheckpointException or BackendUnavailableException or NotSupportedException or IOException or FormatException
                or InsufficientMemoryException or InvalidDataException or InvalidOperationException or SocketException
                    or UnauthorizedAccessException or CryptographicException)
        {
            throw new ConfigurationException(refused.Message, refused);
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
