using System.Runtime.InteropServices;
using NativeFfn.Bench.Subjects;

namespace NativeFfn.Bench.OneDnn;

/// <summary>
/// Work on the threads of OpenMP that the library beside it computes with: others would have to share their processors while they spin.
/// </summary>
/// <remarks>For one caller at a time. <c>GOMP_parallel</c> is what gcc makes of <c>#pragma omp parallel</c>.</remarks>
internal sealed unsafe partial class OpenMpTeam : IDisposable
{
    private const string Name = "gomp";
    private const string File = "libgomp.so.1";

    private readonly int _threads;
    private GCHandle _self;
    private Action<int>? _work;

    /// <summary>Sets how many threads this thread's parallel regions have, those of libraries too.</summary>
    /// <param name="threads">Threads, the caller's included.</param>
    /// <exception cref="DllNotFoundException">There is no libgomp.</exception>
    public OpenMpTeam(int threads)
    {
        PeerLibraries.Load(Name, File);
        SetThreads(threads);
        _threads = threads;
        _self = GCHandle.Alloc(this);
    }

    /// <summary>Calls <paramref name="work"/>, which may not throw, on every thread with its number, from 0, and waits for all.</summary>
    public void Run(Action<int> work)
    {
        _work = work;
        Parallel(&Work, GCHandle.ToIntPtr(_self), (uint)_threads, 0);
    }

    public void Dispose() => _self.Free();

    [UnmanagedCallersOnly]
    private static void Work(nint team) => ((OpenMpTeam)GCHandle.FromIntPtr(team).Target!)._work!(ThreadNumber());

    [LibraryImport(Name, EntryPoint = "omp_set_num_threads")]
    private static partial void SetThreads(int threads);

    [LibraryImport(Name, EntryPoint = "omp_get_thread_num")]
    private static partial int ThreadNumber();

    [LibraryImport(Name, EntryPoint = "GOMP_parallel")]
    private static partial void Parallel(delegate* unmanaged<nint, void> work, nint data, uint threads, uint flags);
}
