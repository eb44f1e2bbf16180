using System.Collections.Immutable;
using System.Text;
using NativeFfn.Backends.Storage;
using NativeFfn.Checkpoints.Files.Gguf;
using NativeFfn.Checkpoints.Files.Safetensors;

namespace NativeFfn.Checkpoints.Files;

/// <summary>A format of tensor files.</summary>
/// <param name="Extension">How its files' names end.</param>
/// <param name="Magic">The text that its files begin with; empty where there is none.</param>
/// <param name="Open">Checks a file's header; owns the data from then on.</param>
internal sealed record TensorFileFormat(string Extension, string Magic, Func<TensorData, ITensorFile> Open);

/// <summary>The table of tensor file formats. Another one is a folder beside this file and a line here.</summary>
internal static class TensorFiles
{
    /// <summary>Every format; the one without magic bytes stands last and takes what no other does.</summary>
    public static ImmutableArray<TensorFileFormat> Formats { get; } =
    [
        new(".gguf", "GGUF", GgufFile.Open),
        new(".safetensors", "", SafetensorsFile.Open),
    ];

    /// <summary>Opens a file by its first bytes and checks its whole header.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CheckpointException">There is no such file, it may not be read, or it is not what its format asks for.</exception>
    public static ITensorFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Open(path, TensorData.Open);
    }

    /// <summary>Opens a file in the same way; a pipe is read to its end into memory.</summary>
    /// <exception cref="CheckpointException">There is no such file, it may not be read, or it is not what its format asks for.</exception>
    public static ITensorFile OpenInput(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Open(path, SystemFile.IsPipe(path) ? TensorData.ReadPipe : TensorData.Open);
    }

    private static ITensorFile Open(string path, Func<string, TensorData> read)
    {
        if (!BitConverter.IsLittleEndian)
        {
            throw new PlatformNotSupportedException("Tensor files are little-endian, and are read on little-endian machines only.");
        }

        TensorData data = read(path);
        try
        {
            Span<byte> start = stackalloc byte[(int)Math.Min(data.Length, WrongDownload.StartBytes)];
            data.Read(start, 0);
            WrongDownload.Require(path, start);
            foreach (TensorFileFormat format in Formats)
            {
                if (start.StartsWith(Encoding.ASCII.GetBytes(format.Magic)))
                {
                    return format.Open(data);
                }
            }

            throw new CheckpointException($"{path}: is no tensor file of a known format. Get the file again.");
        }
        catch
        {
            data.Dispose();
            throw;
        }
    }

    /// <summary>The tensor of a name.</summary>
    /// <param name="file">The file.</param>
    /// <param name="name">Its name, case-sensitive.</param>
    /// <exception cref="CheckpointException">The file has no such tensor; the message names both.</exception>
    public static TensorEntry Find(this ITensorFile file, string name) => file.Tensors.TryGetValue(name, out TensorEntry? tensor)
        ? tensor
        : throw new CheckpointException($"{file.Path}: has no tensor {CheckpointText.Quote(name)}; it has {file.Tensors.Count} others.");
}
