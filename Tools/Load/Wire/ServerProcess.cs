using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace NativeFfn.Load.Wire;

/// <summary>The server as a process of its own, on a free port of the loopback address.</summary>
internal sealed partial class ServerProcess : IAsyncDisposable
{
    private const int Terminate = 15;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly Process _process;
    private readonly HttpClient _client;

    private ServerProcess(Process process, int port)
    {
        _process = process;
        Port = port;
        _client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
    }

    public int Port { get; }

    /// <summary>What the process holds now.</summary>
    public ProcessFigures ReadFigures()
    {
        _process.Refresh();
        int handles = OperatingSystem.IsLinux() ? Directory.GetFileSystemEntries($"/proc/{_process.Id}/fd").Length : _process.HandleCount;
        return new ProcessFigures(_process.WorkingSet64 / 1e6, handles, _process.Threads.Count);
    }

    /// <summary>Time of all processors that the process has used.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    /// <summary>Starts a server and waits until it is ready.</summary>
    /// <param name="plan">The program, the backend and the batching.</param>
    /// <param name="model">The checkpoint.</param>
    /// <param name="batching">Whether requests are run together.</param>
    /// <param name="key">An API key, or null for none.</param>
    /// <param name="queueTime">The longest wait that it promises, or null for none.</param>
    public static async Task<ServerProcess> StartAsync(
        LoadPlan plan, string model, bool batching = true, string? key = null, TimeSpan? queueTime = null)
    {
        int port = FreePort();
        string[] words = [.. plan.Launcher, "dotnet"];
        var start = new ProcessStartInfo(words[0]) { RedirectStandardOutput = true };
        foreach (string argument in (string[])
        [
            .. words[1..],
            plan.Command, "serve",
            "--model", model,
            "--backend", Names<BackendKind>.Of(plan.Backend),
            "--precision", Names<FfnPrecision>.Of(plan.Precision),
            "--urls", $"http://127.0.0.1:{port}",
            "--grpc-urls", "http://127.0.0.1:0",
            "--NativeFfn:Batching:Enabled", batching ? "true" : "false",
            "--NativeFfn:Batching:MaxBatchTokens", Text(plan.BatchTokens),
            "--NativeFfn:Batching:QueueCapacityTokens", Text(plan.QueueTokens),
            "--Logging:LogLevel:Default", "Warning",
            .. queueTime is { } promised
                ? ["--NativeFfn:Batching:QueueCapacityTime", promised.ToString("c", CultureInfo.InvariantCulture)] : Array.Empty<string>(),
            .. plan.ServerArguments,
        ])
        {
            start.ArgumentList.Add(argument);
        }

        if (key is not null)
        {
            start.Environment["Server__ApiKeys__0"] = key;
        }

        Process process = Process.Start(start)!;
        process.OutputDataReceived += static (_, line) =>
            Console.Error.Write(line.Data is { } text ? text + Environment.NewLine : string.Empty);
        process.BeginOutputReadLine();
        var server = new ServerProcess(process, port);
        if (key is not null)
        {
            server._client.DefaultRequestHeaders.Add("X-Api-Key", key);
        }

        await server.WaitUntilReadyAsync();
        return server;
    }

    /// <summary>What the server says of itself.</summary>
    public async Task<Metrics> ReadMetricsAsync() => Metrics.Parse(await _client.GetStringAsync("/metrics"));

    /// <summary>Asks it to stop, as an orchestrator does, and waits for its end.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> StopAsync()
    {
        if (!_process.HasExited)
        {
            _ = Kill(_process.Id, Terminate);
        }

        using var patience = new CancellationTokenSource(Patience);
        await _process.WaitForExitAsync(patience.Token);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await StopAsync();
        }
        finally
        {
            if (!_process.HasExited)
            {
                _process.Kill();
            }

            _client.Dispose();
            _process.Dispose();
        }
    }

    private async Task WaitUntilReadyAsync()
    {
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < Patience && !_process.HasExited)
        {
            try
            {
                using HttpResponseMessage ready = await _client.GetAsync(new Uri("/healthz/ready", UriKind.Relative));
                if (ready.IsSuccessStatusCode)
                {
                    return;
                }
            }
            catch (HttpRequestException)
            {
                // It does not listen yet.
            }

            await Task.Delay(50);
        }

        throw new IOException("The server did not become ready; what it wrote is above.");
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
