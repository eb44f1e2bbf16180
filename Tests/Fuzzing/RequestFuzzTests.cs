using NativeFfn.Fuzzing.Requests;
using NUnit.Framework;

namespace NativeFfn.Tests.Fuzzing;

/// <summary>
/// Damaged requests of every way into the server; <c>NativeFfn.Fuzzing requests COUNT FOLDER</c> runs as many as it is told.
/// </summary>
public sealed class RequestFuzzTests
{
    private const int Cases = 3_000;

    [Test]
    public async Task A_damaged_request_is_answered_and_never_with_500([Values] RequestWay way)
    {
        await using RequestFuzzTarget target = await RequestFuzzTarget.StartAsync();
        var mutator = new RequestMutator(way, seed: 3);
        var answers = new Dictionary<string, int>();
        for (int i = 0; i < Cases; i++)
        {
            FuzzRequest request = mutator.Next();
            try
            {
                string answer = await target.RunAsync(request);
                answers[answer] = answers.GetValueOrDefault(answer) + 1;
            }
            catch (Exception crash)
            {
                Assert.Fail($"Case {i}: {request}\n{crash}");
            }
        }

        // Were all refused for one early reason, or none, the mutations would test nothing.
        Assert.That(answers, Has.Count.GreaterThan(1), string.Join(", ", answers));
        Assert.That(answers.Values.Max(), Is.LessThan(Cases), string.Join(", ", answers));
        Assert.That(answers.Keys, Has.Some.StartsWith("200"), string.Join(", ", answers));
    }
}
