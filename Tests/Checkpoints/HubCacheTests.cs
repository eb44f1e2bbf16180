using NativeFfn.Checkpoints;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>A model's folder in the cache of the Hugging Face hub.</summary>
public sealed class HubCacheTests
{
    private const string Commit = "0123456789abcdef0123456789abcdef01234567";

    [Test]
    public void The_snapshot_of_the_main_branch_is_opened_through_its_links()
    {
        using var folder = new TempFolder();
        string model = Make(folder, Commit);
        Directory.CreateDirectory(Path.Combine(model, "snapshots", "89abcdef0123456789abcdef0123456789abcdef"));
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(model);
        Assert.That(checkpoint.GetLayer(0).Spec.DModel, Is.EqualTo(2));
        using FfnCheckpoint named = FfnCheckpoint.Open(Path.Combine(model, "snapshots", Commit) + "/");
        Assert.That(named.LayerCount, Is.EqualTo(1));
    }

    [Test]
    public void Without_a_reference_the_only_snapshot_is_opened()
    {
        using var folder = new TempFolder();
        string model = Make(folder, null);
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(model + "/");
        Assert.That(checkpoint.LayerCount, Is.EqualTo(1));
        Directory.CreateDirectory(Path.Combine(model, "snapshots", "other"));
        Refuses(model, "no refs/main, and 2 snapshots");
    }

    [TestCase("../../elsewhere", "is '../../elsewhere' and no commit")]
    [TestCase("fedcba9876543210fedcba9876543210fedcba98", "names the snapshot fedcba9876543210fedcba9876543210fedcba98, which is not there")]
    public void A_reference_that_leads_nowhere_is_refused(string reference, string problem)
    {
        using var folder = new TempFolder();
        Refuses(Make(folder, reference), problem);
    }

    private static void Refuses(string model, string problem) => Assert.That(
        () => FfnCheckpoint.Open(model), Throws.TypeOf<CheckpointException>().With.Message.Contains(problem));

    // Files are links to blobs, as the hub's client makes them.
    private static string Make(TempFolder folder, string? reference)
    {
        string model = Path.Combine(folder.Path, "models--org--name");
        string snapshot = Directory.CreateDirectory(Path.Combine(model, "snapshots", Commit)).FullName;
        string blobs = Directory.CreateDirectory(Path.Combine(model, "blobs")).FullName;
        using var plain = new TempModel(
            """{"model_type": "opt", "hidden_size": 2, "ffn_dim": 3, "num_hidden_layers": 1, "word_embed_proj_dim": 2, "enable_bias": false}""",
            ("model.decoder.layers.0.fc1.weight", [3, 2]),
            ("model.decoder.layers.0.fc2.weight", [2, 3]));
        foreach (string file in Directory.GetFiles(plain.Folder.Path))
        {
            string blob = Path.Combine(blobs, "blob-" + Path.GetFileName(file));
            File.Copy(file, blob);
            File.CreateSymbolicLink(Path.Combine(snapshot, Path.GetFileName(file)), Path.Combine("..", "..", "blobs", Path.GetFileName(blob)));
        }

        if (reference is not null)
        {
            Directory.CreateDirectory(Path.Combine(model, "refs"));
            File.WriteAllText(Path.Combine(model, "refs", "main"), reference + "\n");
        }

        return model;
    }
}
