using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Mpi;

/// <summary>MPI as this process holds it: found, recognised and started, once. It is ended when the process ends.</summary>
/// <remarks>Any thread may call it; each call holds a lock, and none waits for another rank inside.</remarks>
internal sealed unsafe class MpiLibrary
{
    private const string Remedy =
        "Install Open MPI (Debian: apt-get install openmpi-bin) or MPICH (mpich), start with its mpirun, or name a libmpi file or folder by the "
        + "MpiPath option (--mpi-path) or " + MpiSearch.PathVariable + ".";

    // How long the end of a process waits for the other ranks to end too.
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(10);

    private static readonly Lock Gate = new();
    private static MpiLibrary? s_loaded;

    private readonly Lock _calls = new();
    private readonly MpiFunctions _functions;
    private readonly ConcurrentBag<object> _kept = [];
    private bool _isLost;

    private MpiLibrary(string path, MpiFunctions functions, MpiAbi abi, string version)
    {
        (Path, _functions, Abi, Version) = (path, functions, abi, version);
    }

    /// <summary>The file, or the name that the system's loader found it by.</summary>
    public string Path { get; }

    /// <summary>The handles of its family.</summary>
    public MpiAbi Abi { get; }

    /// <summary>What it calls itself, such as "Open MPI v4.1.4".</summary>
    public string Version { get; }

    /// <summary>Loads and starts MPI, or returns it where this process has.</summary>
    /// <param name="configuredPath">A file or folder to use and no other; null looks in the usual locations.</param>
    /// <exception cref="NativeLibraryException">No usable MPI was found, or it could not be started.</exception>
    public static MpiLibrary Load(string? configuredPath)
    {
        lock (Gate)
        {
            if (s_loaded is not null)
            {
                return s_loaded;
            }

            var attempts = new List<LibraryAttempt>();
            MpiLibrary library = LibraryCandidate.First(MpiSearch.Candidates(configuredPath), MpiSearch.Files, TryLoad, attempts)
                ?? throw new NativeLibraryException(LibraryAttempt.Summarise("MPI", attempts), attempts, Remedy);
            library.Start();
            return s_loaded = library;
        }
    }

    /// <summary>Throws where a call failed.</summary>
    /// <param name="code">What a call of <see cref="MpiFunctions"/> returned.</param>
    /// <param name="name">The call's own text, for the message.</param>
    /// <exception cref="MpiException">It failed.</exception>
    public void Check(int code, [CallerArgumentExpression(nameof(code))] string name = "")
    {
        if (code != MpiFunctions.Success)
        {
            throw new MpiException($"{NativeCall.Function(name)} failed: {Describe(code)}");
        }
    }

    /// <summary>Whether an operation that was started is over; to be asked inside <see cref="Enter"/>.</summary>
    /// <param name="request">The operation, which MPI forgets once it is over.</param>
    /// <exception cref="MpiException">It failed.</exception>
    public bool IsDone(ref nint request)
    {
        byte* status = stackalloc byte[MpiFunctions.StatusBytes];
        int done = 0;
        fixed (nint* pointer = &request)
        {
            Check(_functions.MPI_Test(pointer, &done, status));
        }

        return done != 0;
    }

    /// <summary>The functions, for as long as the scope of <see cref="Enter"/> lasts.</summary>
    public MpiFunctions Functions => _functions;

    /// <summary>Keeps other threads out of MPI.</summary>
    public Lock.Scope Enter() => _calls.EnterScope();

    /// <summary>Whether MPI was ended with this process, so that nothing of it may be called any more; to be asked inside <see cref="Enter"/>.</summary>
    public bool IsEnded { get; private set; }

    /// <summary>Has the end of this process end all ranks: they cannot work together any more.</summary>
    public void Lose() => Volatile.Write(ref _isLost, true);

    /// <summary>
    /// Keeps memory for as long as the process lives: an operation on it was started that never ended, so MPI may still write there.
    /// </summary>
    public void Keep(object memory) => _kept.Add(memory);

    private static (MpiLibrary? Library, string? Problem) TryLoad(string file)
    {
        if (System.IO.Path.IsPathRooted(file) && !File.Exists(file))
        {
            return (null, "no such file");
        }

        // Its components are libraries that look for its symbols.
        if (!DynamicLinker.TryLoadGlobal(file, resolveNow: true, out nint handle, out string? problem))
        {
            return (null, problem);
        }

        var symbols = new LoadedLibrary(file, handle);
        if (MpiAbi.Of(symbols) is not { } abi)
        {
            return (null, "it is neither Open MPI nor of MPICH's family, nor has it the ABI of MPI 5");
        }

        try
        {
            var functions = new MpiFunctions(symbols);
            return (new MpiLibrary(file, functions, abi, VersionOf(functions)), null);
        }
        catch (NativeLibraryException missing)
        {
            return (null, missing.Message);
        }
    }

    private static string VersionOf(MpiFunctions functions)
    {
        byte* text = stackalloc byte[MpiFunctions.MaxText];
        int length = 0;
        _ = functions.MPI_Get_library_version(text, &length);
        string version = Encoding.UTF8.GetString(text, Math.Clamp(length, 0, MpiFunctions.MaxText)).TrimEnd('\0');
        int end = version.AsSpan().IndexOfAny(",\r\n");
        return string.Join(' ', (end < 0 ? version : version[..end]).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }

    private void Start()
    {
        int isStarted = 0;
        int isEnded = 0;
        int level = 0;
        Check(_functions.MPI_Initialized(&isStarted));
        Check(_functions.MPI_Finalized(&isEnded));
        if (isEnded != 0)
        {
            throw new NativeLibraryException($"MPI ({Path}) was ended in this process, and cannot be started again.", [], "Start a new process.");
        }

        if (isStarted != 0)
        {
            // The application's own: it ends it too.
            Check(_functions.MPI_Query_thread(&level));
        }
        else
        {
            Check(_functions.MPI_Init_thread(null, null, MpiFunctions.ThreadSerialized, &level));
            AppDomain.CurrentDomain.ProcessExit += (_, _) => End();
        }

        if (level < MpiFunctions.ThreadSerialized)
        {
            throw new NativeLibraryException(
                $"MPI ({Path}) lets one thread alone call it.", [], "Start it with MPI_THREAD_SERIALIZED, or take one that is built with threads.");
        }

        Check(_functions.MPI_Comm_set_errhandler(Abi.World, Abi.ErrorsReturn));
        RequireLaunched();
    }

    // Under another library's launcher each process would be alone, and compute a whole job's work.
    private void RequireLaunched()
    {
        int ranks = 0;
        Check(_functions.MPI_Comm_size(Abi.World, &ranks));
        if (MpiSearch.LaunchedRanks is { } launched && launched != ranks)
        {
            throw new NativeLibraryException(
                $"{launched} ranks were started, but {Version} ({Path}) sees {ranks}: the launcher is another MPI's.", [],
                "Start with this library's own mpirun, or name the launcher's library by the MpiPath option (--mpi-path) or " + MpiSearch.PathVariable + ".");
        }
    }

    // Ending waits for all ranks. Where one is lost or has failed, it ends all at once, before they find the same to say.
    private void End()
    {
        lock (_calls)
        {
            if (Volatile.Read(ref _isLost) || Environment.ExitCode != 0 || !TryMeet())
            {
                _ = _functions.MPI_Abort(Abi.World, Environment.ExitCode == 0 ? 1 : Environment.ExitCode);
            }

            _ = _functions.MPI_Finalize();
            IsEnded = true;
        }
    }

    private bool TryMeet()
    {
        nint request = 0;
        byte* status = stackalloc byte[MpiFunctions.StatusBytes];
        if (_functions.MPI_Ibarrier(Abi.World, &request) != MpiFunctions.Success)
        {
            return false;
        }

        long deadline = Environment.TickCount64 + (long)EndLimit.TotalMilliseconds;
        int done = 0;
        while (_functions.MPI_Test(&request, &done, status) == MpiFunctions.Success && done == 0 && Environment.TickCount64 < deadline)
        {
            Thread.Sleep(1);
        }

        return done != 0;
    }

    private string Describe(int code)
    {
        byte* text = stackalloc byte[MpiFunctions.MaxText];
        int length = 0;
        return _functions.MPI_Error_string(code, text, &length) == MpiFunctions.Success
            ? Marshal.PtrToStringUTF8((nint)text, Math.Clamp(length, 0, MpiFunctions.MaxText - 1))
            : $"error {code}";
    }
}

/// <summary>A call of MPI failed.</summary>
/// <param name="message">The function, and what MPI says of it.</param>
internal sealed class MpiException(string message) : InvalidOperationException(message);
