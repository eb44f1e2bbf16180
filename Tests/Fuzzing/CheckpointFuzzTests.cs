using System.Text;
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

    // A short file can ask for thousands of experts; the target bounds what a reader may allocate for it.
    [TestCase("\"num_local_experts\":4096", "\"num_experts_per_tok\":4096")]
    [TestCase("\"num_local_experts\":16777216", "\"num_experts_per_tok\":1")]
    public void A_short_file_that_asks_for_many_experts_is_refused_cheaply(string experts, string topK)
    {
        byte[] seed = SeedCorpus.All.Single(static seed => seed.Name == "mixtral").Bytes;
        int split = seed.AsSpan().IndexOf((byte)0);
        string config = Encoding.UTF8.GetString(seed.AsSpan(0, split))
            .Replace("\"num_local_experts\":2", experts, StringComparison.Ordinal)
            .Replace("\"num_experts_per_tok\":1", topK, StringComparison.Ordinal);
        Assert.That(config, Does.Contain(experts).And.Contain(topK));
        Assert.That(CheckpointFuzzTarget.Run([.. Encoding.UTF8.GetBytes(config), .. seed.AsSpan(split)]), Is.False);
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
