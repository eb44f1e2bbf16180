using System.Collections.Immutable;
using System.Runtime.InteropServices;
using NativeFfn.Backends.Encodings;
using NativeFfn.Checkpoints.Files;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>A stored tensor that is part of a quantised matrix: codes, scales, zero points or the like. Immutable.</summary>
/// <param name="file">The file that has it.</param>
/// <param name="entry">The tensor.</param>
internal sealed class TensorPiece(ITensorFile file, TensorEntry entry)
{
    private readonly TensorEntry _bytes = entry with { Shape = [entry.ByteLength, 1] };

    /// <summary>The file.</summary>
    public string Path => file.Path;

    /// <summary>The tensor's name.</summary>
    public string Name => entry.Name;

    /// <summary>The type of its elements, as safetensors spells it.</summary>
    public string Type => entry.Type;

    /// <summary>Its shape, the outermost dimension first.</summary>
    public ImmutableArray<long> Shape => entry.Shape;

    /// <summary>Elements in all.</summary>
    public long Elements => entry.ElementCount;

    /// <summary>Bytes in all.</summary>
    public long Bytes => entry.ByteLength;

    /// <summary>Reads bytes of the tensor.</summary>
    /// <param name="first">The first, from 0.</param>
    /// <param name="bytes">Receives them; all must lie in the tensor.</param>
    public void Read(long first, Span<byte> bytes)
    {
        if (!bytes.IsEmpty)
        {
            file.ReadBlocks(_bytes, first, bytes);
        }
    }

    /// <summary>Reads the whole tensor as elements of a type.</summary>
    public T[] ReadAll<T>()
        where T : unmanaged
    {
        var elements = new T[Elements];
        Read(0, MemoryMarshal.AsBytes(elements.AsSpan()));
        return elements;
    }

    /// <summary>The only number of a tensor of one, of any float type.</summary>
    public float ReadScalar()
    {
        ScaleType type = ScaleType();
        if (Elements != 1)
        {
            throw Wrong($"has shape {CheckpointText.Shape(Shape.AsSpan())}; one number is expected");
        }

        Span<byte> bytes = stackalloc byte[type.Bytes()];
        Read(0, bytes);
        return type.Read(bytes, 0);
    }

    /// <summary>The tensor's type as one of scales.</summary>
    /// <param name="ofBytes">What U8 means here; null where it means nothing.</param>
    public ScaleType ScaleType(ScaleType? ofBytes = null) => Type switch
    {
        "F32" => Backends.Encodings.ScaleType.Float32,
        "BF16" => Backends.Encodings.ScaleType.BFloat16,
        "F16" => Backends.Encodings.ScaleType.Float16,
        "F8_E4M3" => Backends.Encodings.ScaleType.E4M3,
        "F8_E8M0" => Backends.Encodings.ScaleType.E8M0,
        "U8" when ofBytes is { } type => type,
        _ => throw Wrong($"has type {Type}, which no scale has here"),
    };

    /// <summary>The tensor itself, where it has one of some types.</summary>
    public TensorPiece OfType(params ReadOnlySpan<string> types)
    {
        foreach (string type in types)
        {
            if (Type == type)
            {
                return this;
            }
        }

        throw Wrong($"has type {Type}; {string.Join(" or ", types.ToArray())} is expected");
    }

    /// <summary>The tensor itself, where it has a shape.</summary>
    public TensorPiece OfShape(params ReadOnlySpan<long> shape) => Shape.AsSpan().SequenceEqual(shape)
        ? this
        : throw Wrong(
            $"has shape {CheckpointText.Shape(Shape.AsSpan())}; the other parts of its matrix ask for {CheckpointText.Shape(shape)}");

    /// <summary>The tensor itself, where it has so many dimensions, none of them 0.</summary>
    public TensorPiece OfRank(int least, int most) => Shape.Length >= least && Shape.Length <= most && !Shape.Contains(0)
        ? this
        : throw Wrong($"has shape {CheckpointText.Shape(Shape.AsSpan())}; {least} to {most} dimensions, none of them 0, are expected");

    /// <summary>The refusal of what this tensor has.</summary>
    public CheckpointException Wrong(string problem) =>
        new($"{Path}: tensor {CheckpointText.Quote(Name)} {problem}. Get the checkpoint again, or one that was quantised another way.");
}
