using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace NativeFfn.Bindings.Cblas;

/// <summary>Which library a CBLAS is, and how it is held to one thread for each call.</summary>
/// <param name="Version">The library and its version.</param>
/// <param name="Limit">How its threads are held.</param>
/// <param name="MostProducts">Products at a time that it is given at most.</param>
internal sealed unsafe partial record CblasMake(string Version, ThreadLimit Limit, int MostProducts = int.MaxValue)
{
    // openblas_get_parallel.
    private const int OpenBlasSerial = 0;
    private const int OpenBlasOpenMp = 2;

    // bli_info_get_blas_int_type_size, in bits.
    private const int NarrowIntegers = 32;

    /// <summary>Tells what a library is and holds its threads where that is done once; else says why it cannot serve.</summary>
    /// <param name="path">Where it was found.</param>
    /// <param name="functions">Its functions.</param>
    /// <param name="isShared">Whether the process had it before, so that its settings are somebody else's.</param>
    public static (CblasMake? Make, string? Problem) Of(string path, CblasFunctions functions, bool isShared) =>
        functions.MKL_Get_Version != 0 ? (null, "it is Intel MKL; use backend mkl")
        : functions.openblas_get_config != null ? OpenBlas(functions, isShared)
        : functions.bli_info_get_version_str != null ? Blis(functions, isShared)
        : (new CblasMake($"{System.IO.Path.GetFileName(path)}, whose threads are its own", ThreadLimit.None), null);

    private static (CblasMake? Make, string? Problem) OpenBlas(CblasFunctions functions, bool isShared)
    {
        string version = Text(functions.openblas_get_config());
        if (version.Contains("USE64BITINT", StringComparison.Ordinal))
        {
            return (null, $"it has 64-bit integers ({version}); NativeFfn needs 32-bit ones");
        }

        if (functions.openblas_get_parallel == null || functions.openblas_set_num_threads == null || functions.openblas_get_num_threads == null)
        {
            return (null, $"it does not tell how it uses threads ({version}); OpenBLAS 0.2.9 or newer does");
        }

        switch (functions.openblas_get_parallel())
        {
            case OpenBlasSerial:
                // Its buffers have no lock unless it was built with one, which it does not tell.
                return (null, $"it is a serial build ({version}), which several threads must not call at once. Use its build with threads");

            case OpenBlasOpenMp:
                // It takes the number of the calling thread anew at each call.
                return functions.omp_set_num_threads != null && functions.omp_get_max_threads != null
                    ? (new CblasMake(version, ThreadLimit.OpenMp, Callers(version)), null)
                    : (null, $"it uses OpenMP, whose functions were not found ({version}). Use its build with threads of its own");
        }

        if (isShared && functions.openblas_get_num_threads() is var threads and > 1)
        {
            return (null, InUse(threads, "OPENBLAS_NUM_THREADS"));
        }

        functions.openblas_set_num_threads(1);
        return (new CblasMake(version, ThreadLimit.None, Callers(version)), null);
    }

    private static (CblasMake? Make, string? Problem) Blis(CblasFunctions functions, bool isShared)
    {
        string version = "BLIS " + Text(functions.bli_info_get_version_str());
        if (functions.bli_info_get_blas_int_type_size == null || (int)functions.bli_info_get_blas_int_type_size() != NarrowIntegers)
        {
            return (null, $"it has other than 32-bit integers ({version})");
        }

        if (functions.bli_thread_get_num_threads == null || functions.bli_thread_set_num_threads == null)
        {
            return (null, $"it does not tell how it uses threads ({version})");
        }

        return isShared && (int)functions.bli_thread_get_num_threads() is var threads and > 1
            ? (null, InUse(threads, "BLIS_NUM_THREADS"))
            : (new CblasMake(version, ThreadLimit.Blis), null);
    }

    private static string InUse(int threads, string variable) =>
        $"the application uses it with {threads} threads, which NativeFfn leaves as they are. Set {variable}=1, or name another copy of it";

    // OpenBLAS has twice as many buffers as threads that it was built for, and ends the process when they are all in use.
    private static int Callers(string version) => MaxThreads().Match(version) is { Success: true } match
        ? int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture)
        : 1;

    [GeneratedRegex("MAX_THREADS=([1-9][0-9]{0,5})\\b")]
    private static partial Regex MaxThreads();

    private static string Text(byte* utf8) => Marshal.PtrToStringUTF8((nint)utf8)?.Trim() ?? "unknown";
}

/// <summary>How the threads of a library's calls are held to one: by a setting of the calling thread's that is put back, or not by call.</summary>
internal abstract unsafe class ThreadLimit
{
    /// <summary>Nothing to do at a call: it was done once, or there is no way.</summary>
    public static ThreadLimit None { get; } = new Once();

    /// <summary>OpenMP's own number.</summary>
    public static ThreadLimit OpenMp { get; } = new ByOpenMp();

    /// <summary>BLIS's number, which newer ones keep for each thread.</summary>
    public static ThreadLimit Blis { get; } = new ByBlis();

    /// <summary>Holds the calling thread's calls to one thread; returns what was set before.</summary>
    public abstract int Hold(CblasFunctions functions);

    /// <summary>Puts back what was set before.</summary>
    public abstract void Release(CblasFunctions functions, int threads);

    private sealed class Once : ThreadLimit
    {
        public override int Hold(CblasFunctions functions) => 1;

        public override void Release(CblasFunctions functions, int threads)
        {
        }
    }

    private sealed class ByOpenMp : ThreadLimit
    {
        public override int Hold(CblasFunctions functions)
        {
            int threads = functions.omp_get_max_threads();
            if (threads != 1)
            {
                functions.omp_set_num_threads(1);
            }

            return threads;
        }

        public override void Release(CblasFunctions functions, int threads)
        {
            if (threads != 1)
            {
                functions.omp_set_num_threads(threads);
            }
        }
    }

    private sealed class ByBlis : ThreadLimit
    {
        public override int Hold(CblasFunctions functions)
        {
            int threads = (int)functions.bli_thread_get_num_threads();
            if (threads != 1)
            {
                functions.bli_thread_set_num_threads(1);
            }

            return threads;
        }

        // Older ones keep one number for all threads, which must not rise beneath another's product.
        public override void Release(CblasFunctions functions, int threads)
        {
        }
    }
}
