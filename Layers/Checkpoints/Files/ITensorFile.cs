using System.Collections.Frozen;
using NativeFfn.Checkpoints.Families;

namespace NativeFfn.Checkpoints.Files;

/// <summary>What model a checkpoint has.</summary>
/// <param name="Type">Its type, as the checkpoint spells it.</param>
/// <param name="Family">Its family.</param>
/// <param name="Config">Its configuration.</param>
internal sealed record StoredModel(string Type, FfnFamily Family, CheckpointConfig Config);

/// <summary>
/// A file of tensors open for reading; nothing of them is read until it is asked for. Safe for use by several threads at once.
/// </summary>
internal interface ITensorFile : IDisposable
{
    /// <summary>The file, as it was named on opening.</summary>
    string Path { get; }

    /// <summary>The tensors by name.</summary>
    FrozenDictionary<string, TensorEntry> Tensors { get; }

    /// <summary>The types of the format that weights can be read from, in words.</summary>
    string ReadableTypes { get; }

    /// <summary>
    /// Whether a tensor <c>P.weight</c> may have a factor of its weights beside it, <c>P.scale</c>: one number, or one an expert.
    /// </summary>
    bool HasScales => false;

    /// <summary>The model, where the file says itself what it has; null where a <c>config.json</c> does.</summary>
    /// <exception cref="CheckpointException">It is no model that is read.</exception>
    StoredModel? ReadModel() => null;

    /// <summary>Whether MLX wrote the file, by names and with norms of its own.</summary>
    bool IsMlx => false;

    /// <summary>Reads consecutive rows of one tensor, as its encoding has them.</summary>
    /// <param name="tensor">A tensor of this file.</param>
    /// <param name="firstRow">The first row wanted, from 0.</param>
    /// <param name="rows">Receives whole rows; its length says how many.</param>
    /// <exception cref="ArgumentException">Parts of rows, or rows beyond the tensor, are asked for.</exception>
    /// <exception cref="CheckpointException">The tensor lies outside this file, or the file was cut short since it was opened.</exception>
    /// <exception cref="ObjectDisposedException">The file was disposed.</exception>
    void ReadBlocks(TensorEntry tensor, long firstRow, Span<byte> rows);
}
