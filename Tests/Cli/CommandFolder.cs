using NativeFfn.Checkpoints;
using NativeFfn.Checkpoints.Files;

namespace NativeFfn.Tests.Cli;

/// <summary>A folder of a test's own, gone after it, with the checkpoints and files that commands are run on.</summary>
internal sealed class CommandFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("nativeffn-cli-");

    /// <summary>Names of everything in the folder, sorted.</summary>
    public string[] Entries => [.. _folder.EnumerateFileSystemInfos().Select(static entry => entry.Name).Order(StringComparer.Ordinal)];

    /// <summary>A path in the folder.</summary>
    public string this[string name] => Path.Combine(_folder.FullName, name);

    /// <summary>Makes a checkpoint with two layers and input rows.</summary>
    public string Checkpoint(string kind = "swiglu", string shape = "24x40", string type = "f32", int tokens = 3)
    {
        CommandRun.Done(
            "init", "--kind", kind, "--shape", shape, "--layers", "2", "--dtype", type, "--sample-input", $"{tokens}", "--output", this["model"]);
        return this["model"];
    }

    /// <summary>Writes a file with one tensor.</summary>
    public string TensorFile(string file, string tensor, string type, params long[] shape)
    {
        using var writer = new SafetensorsWriter(this[file], [(tensor, type, shape)]);
        writer.Write(new float[shape.Aggregate(1L, static (product, dimension) => product * dimension)]);
        writer.Commit();
        return this[file];
    }

    /// <summary>Changes one weight of the checkpoint, whose weights become F32.</summary>
    public void SetWeight(string tensor, int index, float weight) => Rewrite(tensors => tensors[tensor].Values[index] = weight);

    /// <summary>Takes a tensor out of the checkpoint, whose weights become F32.</summary>
    public void RemoveTensor(string tensor) => Rewrite(tensors => tensors.Remove(tensor));

    /// <summary>Reads every tensor of a file.</summary>
    public Dictionary<string, (long[] Shape, float[] Values)> Read(string file)
    {
        using ITensorFile opened = TensorFiles.Open(this[file]);
        var tensors = new Dictionary<string, (long[], float[])>();
        foreach (TensorEntry tensor in opened.Tensors.Values)
        {
            var values = new float[tensor.ElementCount];
            StoredRows.Of(opened, tensor).ReadFloats(0, values);
            tensors.Add(tensor.Name, ([.. tensor.Shape], values));
        }

        return tensors;
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private void Rewrite(Action<Dictionary<string, (long[] Shape, float[] Values)>> change)
    {
        Dictionary<string, (long[] Shape, float[] Values)> tensors = Read("model/model.safetensors");
        change(tensors);
        using var writer = new SafetensorsWriter(
            this["model/model.safetensors"], [.. tensors.Select(static tensor => (tensor.Key, "F32", tensor.Value.Shape))]);
        foreach ((_, float[] values) in tensors.Values)
        {
            writer.Write(values);
        }

        writer.Commit();
    }
}
