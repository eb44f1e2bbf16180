namespace NativeFfn;

/// <summary>Holds weights given by name against what a layer asks for.</summary>
internal static class WeightChecks
{
    public static void RequireKnown(FfnSpec spec, string name, long length)
    {
        foreach (FfnTensor tensor in spec.Tensors)
        {
            if (tensor.Name == name)
            {
                RequireLength(spec, tensor, length);
                return;
            }
        }

        throw new ArgumentException(
            $"{spec} has no tensor '{name}'; it has {string.Join(", ", spec.Tensors.Select(static tensor => tensor.Name))}.", nameof(name));
    }

    public static void RequireExactly(FfnSpec spec, Dictionary<string, long> lengths)
    {
        foreach (FfnTensor tensor in spec.Tensors)
        {
            if (!lengths.TryGetValue(tensor.Name, out long length))
            {
                throw new ArgumentException($"{spec} needs '{tensor.Name}' {tensor.Shape}, which is empty.");
            }

            RequireLength(spec, tensor, length);
        }

        foreach (string name in lengths.Keys)
        {
            RequireKnown(spec, name, lengths[name]);
        }
    }

    private static void RequireLength(FfnSpec spec, FfnTensor tensor, long length)
    {
        if (length != tensor.ElementCount)
        {
            throw new ArgumentException(
                $"'{tensor.Name}' of {spec} has shape {tensor.Shape}, {tensor.ElementCount} elements; {length} were given.");
        }
    }
}
