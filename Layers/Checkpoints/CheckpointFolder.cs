namespace NativeFfn.Checkpoints;

/// <summary>Finds the configuration and the weights that a path means.</summary>
internal static class CheckpointFolder
{
    private const string ConfigName = "config.json";
    private const string WeightsName = "model.safetensors";
    private const string IndexName = "model.safetensors.index.json";
    private const string WeightsExtension = ".safetensors";
    private const string IndexExtension = ".index.json";

    public static bool IsIndex(string weightsPath) => weightsPath.EndsWith(IndexExtension, StringComparison.OrdinalIgnoreCase);

    public static (string Config, string Weights) Find(string path)
    {
        bool isDirectory = Directory.Exists(path);
        if (!isDirectory && !File.Exists(path))
        {
            throw new CheckpointException($"{path}: no such file or directory. Name a checkpoint's folder or its .safetensors file.");
        }

        string weights = isDirectory ? FindWeights(path) : path;
        if (!isDirectory && !IsIndex(path) && !path.EndsWith(WeightsExtension, StringComparison.OrdinalIgnoreCase))
        {
            throw new CheckpointException($"{path}: is neither a {WeightsExtension} file nor a {IndexExtension} file. Name one of them or the checkpoint's folder.");
        }

        string folder = isDirectory ? path : Path.GetDirectoryName(path)!;
        string config = Path.Combine(folder, ConfigName);
        return File.Exists(config)
            ? (config, weights)
            : throw new CheckpointException($"{path}: has no {ConfigName} {(isDirectory ? "in" : "beside")} it, which says what its layers are. Put the model's own there.");
    }

    private static string FindWeights(string folder)
    {
        foreach (string name in (ReadOnlySpan<string>)[WeightsName, IndexName])
        {
            string candidate = Path.Combine(folder, name);
            if (File.Exists(candidate))
            {
                return candidate;
            }
        }

        string[] others;
        try
        {
            others = Directory.GetFiles(folder, "*" + WeightsExtension);
        }
        catch (Exception problem) when (CheckpointFile.IsFileProblem(problem))
        {
            throw new CheckpointException($"{folder}: cannot be listed: {problem.Message.ReplaceLineEndings(" ")}", problem);
        }

        return others switch
        {
            [string only] => only,
            [] => throw new CheckpointException(
                $"{folder}: has neither {WeightsName} nor {IndexName}. Name a checkpoint's folder, with its weights in safetensors format."),
            _ => throw new CheckpointException(
                $"{folder}: has {others.Length} {WeightsExtension} files, but neither {WeightsName} nor {IndexName}. Name the file to use."),
        };
    }
}
