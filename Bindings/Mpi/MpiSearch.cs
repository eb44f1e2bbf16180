using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Mpi;

/// <summary>The locations where an MPI library is looked for, and what a launcher says of itself.</summary>
internal static class MpiSearch
{
    /// <summary>Names a file or folder of an MPI library, used and no other.</summary>
    public const string PathVariable = "NATIVEFFN_MPI";

    // What mpirun of Open MPI, and launchers that speak PMI, such as MPICH's and Slurm's, give their ranks.
    private const string OpenMpiSize = "OMPI_COMM_WORLD_SIZE";
    private const string PmiSize = "PMI_SIZE";
    private static readonly string[] RankVariables = ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"];
    private static readonly string[] LocalRankVariables = ["OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"];

    /// <summary>Ranks that a launcher started this process among; null where none did.</summary>
    public static int? LaunchedRanks => Number(OpenMpiSize) ?? Number(PmiSize);

    /// <summary>This process's rank among those; 0 where there is no launcher.</summary>
    public static int LaunchedRank => First(RankVariables);

    /// <summary>Its number among those of its machine; 0 where there is no launcher.</summary>
    public static int LocalRank => LaunchedRanks is null ? 0 : First(LocalRankVariables);

    /// <summary>The locations in order. A configured path, or else one in the environment, is the only one.</summary>
    public static IEnumerable<LibraryCandidate> Candidates(string? configuredPath) =>
        LibraryCandidate.Configured(
            configuredPath, PathVariable, static (place, path) => LibraryCandidate.FileOrFolder(place, path, Files)) is { } only
            ? [only]
            :
            [
                .. LibraryCandidate.AlreadyLoaded(Files, "MPI_Init_thread"),
                .. LibraryCandidate.Application(Files),
                .. LibraryCandidate.Environment("MPI_HOME", ["lib", "lib64"], Files),
                .. LibraryCandidate.Environment("I_MPI_ROOT", ["lib", Path.Combine("lib", "release")], Files),
                .. LibraryCandidate.SystemLoader(Files),
            ];

    /// <summary>The files, those of the launcher's own library first: another one would find no ranks but itself.</summary>
    public static string[] Files => Number(OpenMpiSize) is null && Number(PmiSize) is not null
        ? [.. Libraries.MpichFiles, .. Libraries.OpenMpiFiles]
        : [.. Libraries.OpenMpiFiles, .. Libraries.MpichFiles];

    private static int First(string[] variables) => variables.Select(Number).FirstOrDefault(static rank => rank > 0) ?? 0;

    private static int? Number(string variable) => int.TryParse(Environment.GetEnvironmentVariable(variable), out int number) ? number : null;
}
