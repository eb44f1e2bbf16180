using NativeFfn.Bindings.Mpi;
using NUnit.Framework;

namespace NativeFfn.Tests.Loading;

/// <summary>What launchers say of their ranks.</summary>
[NonParallelizable]
public sealed class MpiSearchTests
{
    private static readonly string[] Variables =
        ["OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "SLURM_LOCALID"];

    private readonly Dictionary<string, string?> _before = [];

    [SetUp]
    public void Remember()
    {
        foreach (string variable in Variables)
        {
            _before[variable] = Environment.GetEnvironmentVariable(variable);
            Environment.SetEnvironmentVariable(variable, null);
        }
    }

    [TearDown]
    public void Restore()
    {
        foreach ((string variable, string? value) in _before)
        {
            Environment.SetEnvironmentVariable(variable, value);
        }
    }

    [TestCase("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK")]
    [TestCase("PMI_SIZE", "MPI_LOCALRANKID")]
    [TestCase("PMI_SIZE", "SLURM_LOCALID")]
    public void A_rank_knows_its_number_on_its_machine(string size, string number)
    {
        Environment.SetEnvironmentVariable(number, "3");
        Assert.That(MpiSearch.LocalRank, Is.Zero, "no launcher");
        Environment.SetEnvironmentVariable(size, "8");
        Assert.That(MpiSearch.LocalRank, Is.EqualTo(3));
        Environment.SetEnvironmentVariable(number, null);
        Assert.That(MpiSearch.LocalRank, Is.Zero);
    }
}
