using NativeFfn.Fuzzing;
using NUnit.Framework;

namespace NativeFfn.Tests.Fuzzing;

[TestFixture]
public sealed class CheckpointFuzzTests
{
    // A few seconds; build/fuzz.sh runs for as long as it is told.
    private const int Cases = 20_000;

    [Test]
    public void Damaged_checkpoints_are_refused_and_never_crash_the_reader([Values(1UL, 2UL)] ulong seed)
    {
        var mutator = new CheckpointMutator(seed);
        int accepted = 0;
        for (int i = 0; i < Cases / 2; i++)
        {
            byte[] bytes = mutator.Next();
            try
            {
                accepted += CheckpointFuzzTarget.Run(bytes) ? 1 : 0;
            }
            catch (Exception crash)
            {
                Assert.Fail($"Case {i} of seed {seed}: {crash}\n{Convert.ToBase64String(bytes)}");
            }
        }

        // Were all refused for one early reason, or hardly any, the mutations would test nothing.
        Assert.That(accepted, Is.InRange(Cases / 2 / 100, Cases / 2 / 2));
    }

    [Test]
    public void Seeds_are_valid_so_that_mutations_go_deep()
    {
        foreach ((string name, byte[] bytes) in SeedCorpus.All)
        {
            // The one without a float tensor is read up to the refusal of its type.
            Assert.That(CheckpointFuzzTarget.Run(bytes), Is.EqualTo(name != "integers"), name);
        }
    }

    [Test]
    public void The_same_seed_gives_the_same_cases()
    {
        (CheckpointMutator first, CheckpointMutator second) = (new CheckpointMutator(9), new CheckpointMutator(9));
        for (int i = 0; i < 100; i++)
        {
            Assert.That(first.Next(), Is.EqualTo(second.Next()));
        }
    }
}
