using System.Text.Json;
using NUnit.Framework;

namespace NativeFfn.Tests.Cli;

public sealed class InfoTests
{
    [Test]
    public void Every_backend_is_available_or_has_a_reason()
    {
        using JsonDocument json = JsonDocument.Parse(CommandRun.Done("info", "--json").Out);
        JsonElement[] backends = [.. json.RootElement.GetProperty("backends").EnumerateArray()];
        Assert.That(backends.Select(static backend => backend.GetProperty("name").GetString()), Is.EqualTo(new[] { "cublas", "cblas", "mkl", "managed", "reference" }));
        foreach (JsonElement backend in backends)
        {
            bool available = backend.GetProperty("available").GetBoolean();
            Assert.That(backend.GetProperty("version").ValueKind, Is.EqualTo(available ? JsonValueKind.String : JsonValueKind.Null));
            Assert.That(backend.GetProperty("reason").ValueKind, Is.EqualTo(available ? JsonValueKind.Null : JsonValueKind.String));
        }

        Assert.That(backends[2].GetProperty("available").GetBoolean(), Is.True);
        Assert.That(json.RootElement.GetProperty("threads").GetInt32(), Is.EqualTo(Environment.ProcessorCount));
        Assert.That(json.RootElement.GetProperty("instructionSets").GetProperty("Vector128").ValueKind, Is.EqualTo(JsonValueKind.True).Or.EqualTo(JsonValueKind.False));
    }

    [Test]
    public void A_path_that_was_tried_is_shown_whole()
    {
        using var folder = new CommandFolder();
        string nowhere = folder[new string('x', 200)];
        string text = CommandRun.Done("info", "--mkl-path", nowhere).Out;
        Assert.That(text, Does.Contain(nowhere).And.Contain("managed       available, chosen by auto").And.Contain("reference     available\n").And.Not.Contain("\e["));
    }
}
