using NativeFfn.Bindings.Mpi;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Loading;

/// <summary>What launchers say of their ranks.</summary>
[NonParallelizable]
public sealed class MpiSearchTests
{
    [TestCase("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK")]
    [TestCase("PMI_SIZE", "MPI_LOCALRANKID")]
    [TestCase("PMI_SIZE", "SLURM_LOCALID")]
    public void A_rank_knows_its_number_on_its_machine(string size, string number)
    {
        using var environment = new ClearedEnvironment(
            "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "SLURM_LOCALID");
        Environment.SetEnvironmentVariable(number, "3");
        Assert.That(MpiSearch.LocalRank, Is.Zero, "no launcher");
        Environment.SetEnvironmentVariable(size, "8");
        Assert.That(MpiSearch.LocalRank, Is.EqualTo(3));
        Environment.SetEnvironmentVariable(number, null);
        Assert.That(MpiSearch.LocalRank, Is.Zero);
    }
}
