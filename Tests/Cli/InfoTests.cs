using System.Text.Json;
using NativeFfn.Tests.Numa;
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
    public void Every_precision_has_a_kernel_and_a_reason_where_nothing_is_assembled()
    {
        using JsonDocument json = JsonDocument.Parse(CommandRun.Done("info", "--json").Out);
        JsonElement[] kernels = [.. json.RootElement.GetProperty("kernels").EnumerateArray()];
        Assert.That(
            kernels.Select(static kernel => kernel.GetProperty("precision").GetString()),
            Is.EqualTo(new[] { "f32", "bf16", "f16", "int8", "int4", "w8a8", "w4a8", "fp8" }));
        foreach (JsonElement kernel in kernels)
        {
            bool isAssembled = kernel.GetProperty("assembledMilliseconds").ValueKind == JsonValueKind.Number;
            string instructions = kernel.GetProperty("instructions").GetString()!;
            Assert.That(instructions, isAssembled ? Does.StartWith("vdp").Or.StartWith("vpdp") : Does.StartWith("C#"));
            bool hasOther = kernel.GetProperty("precision").GetString() is "bf16" or "int8" or "int4" or "w8a8" or "w4a8";
            Assert.That(kernel.GetProperty("reason").ValueKind, Is.EqualTo(hasOther && !isAssembled ? JsonValueKind.String : JsonValueKind.Null));
        }
    }

    [Test]
    public void A_path_that_was_tried_is_shown_whole()
    {
        using var folder = new CommandFolder();
        string nowhere = folder[new string('x', 200)];
        string text = CommandRun.Done("info", "--mkl-path", nowhere).Out;
        Assert.That(text, Does.Contain(nowhere).And.Contain("managed       available, chosen by auto").And.Contain("reference     available\n").And.Not.Contain("\e["));
    }

    [Test]
    public void Nodes_are_shown_or_why_there_are_none()
    {
        using JsonDocument off = JsonDocument.Parse(CommandRun.Done("info", "--json", "--numa", "off").Out);
        JsonElement numa = off.RootElement.GetProperty("numa");
        Assert.That(numa.GetProperty("nodes").GetArrayLength(), Is.Zero);
        Assert.That(numa.GetProperty("reason").GetString(), Is.EqualTo("the options say off"));
        (int first, int second) = FakeMachine.TwoProcessors();
        string text = CommandRun.Done("info", "--numa", $"{first}/{second}").Out;
        Assert.That(text, Does.Match($"(?m)^numa +node .*: processors {first}, 1 thread.*\n +node .*: processors {second}, 1 thread"));
    }

    [Test]
    public void Processors_that_there_are_not_are_an_error()
    {
        _ = FakeMachine.TwoProcessors();
        string text = CommandRun.Done("info", "--numa", "0/8000").Out;
        Assert.That(text, Does.Contain("Numa (--numa) names processors 8000, and this process may use "));
        Assert.That(CommandRun.Of("info", "--numa", "0/0").Error, Does.Contain("each node's processors such as 0-15/16-31"));
    }
}
