using System.Buffers;
using System.Collections.Immutable;
using NativeFfn.Backends.Encodings;
using NativeFfn.Checkpoints.Files.Safetensors;

namespace NativeFfn.Checkpoints;

/// <summary>Writes a safetensors file of declared tensors, one after the other; it appears in its place whole or not at all.</summary>
/// <remarks>
/// <para>
/// The tensors are written to a temporary file in the same folder, which <see cref="Commit"/> flushes to disk and moves over the target;
/// without it, <see cref="Dispose"/> deletes the temporary and the target stays as it was. A target that is a device or a pipe is
/// written directly, for it cannot be replaced.
/// </para>
/// <para>Memory in use is one bounded buffer, whatever the tensors' sizes. Not safe for use by several threads at once.</para>
/// </remarks>
public sealed class SafetensorsWriter : IDisposable
{
    // Large enough for a write to cost its copy and little else; a multiple of every element's size.
    private const int StagingBytes = 256 * 1024;

    private readonly ImmutableArray<DeclaredTensor> _tensors;
    private readonly ReplacedFile _file;
    private readonly byte[] _staging;
    private int _staged;
    private int _current;
    private long _remaining;
    private bool _disposed;

    /// <summary>Starts a file.</summary>
    /// <param name="path">The file to write or to replace; its folder must exist.</param>
    /// <param name="tensors">
    /// The tensors in the order in which they will be written: name, element type (<c>F32</c>, <c>BF16</c>, <c>F16</c>, or another
    /// whose bytes are given) and shape in elements, row-major; a scalar has no dimensions, and a dimension may be zero.
    /// </param>
    /// <param name="metadata">Strings for <c>__metadata__</c>, or null for none.</param>
    /// <exception cref="ArgumentException">A name is used twice or reserved, a type is another, or a size is negative or passes 64 bits.</exception>
    /// <exception cref="CheckpointException">The file cannot be written there: no such folder, a directory, no permission, no space.</exception>
    public SafetensorsWriter(
        string path, IReadOnlyList<(string Name, string Type, long[] Shape)> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        byte[] header = SafetensorsHeaderWriter.Write(tensors, metadata, out _tensors, out long dataBytes);
        _file = new ReplacedFile(path, header.Length + dataBytes);
        _staging = ArrayPool<byte>.Shared.Rent(StagingBytes);
        _remaining = _tensors.IsEmpty ? 0 : _tensors[0].Elements;
        SkipFinished();
        _file.Append(header);
    }

    /// <summary>Appends the next elements, rounded to the nearest value of the declared type, from halfway to the even one.</summary>
    /// <param name="values">Elements in row-major order; a call may hold part of a tensor or reach into the next ones.</param>
    /// <exception cref="ArgumentException">
    /// The declared tensors have fewer elements left, or are of a type that is no float; nothing of the call was written.
    /// </exception>
    /// <exception cref="CheckpointException">The disk is full or failed; the temporary file was deleted.</exception>
    /// <exception cref="ObjectDisposedException">The writer was committed, disposed, or failed before.</exception>
    public void Write(ReadOnlySpan<float> values)
    {
        ObjectDisposedException.ThrowIf(_file.IsClosed, this);
        RequireRoom(values.Length, asFloats: true);
        while (!values.IsEmpty)
        {
            WeightEncoding encoding = _tensors[_current].Encoding!;
            int size = encoding.BlockBytes;
            if (StagingBytes - _staged < size)
            {
                Flush();
            }

            int count = (int)Math.Min(Math.Min(values.Length, _remaining), (StagingBytes - _staged) / size);
            encoding.Encode(values[..count], _staging.AsSpan(_staged, count * size));
            _staged += count * size;
            _remaining -= count;
            values = values[count..];
            SkipFinished();
        }
    }

    /// <summary>Appends elements of the tensor whose turn it is, as its type stores them, little-endian.</summary>
    /// <param name="elements">Whole elements; all of one tensor.</param>
    /// <exception cref="ArgumentException">They are no whole elements, or more than the tensor has left; nothing of the call was written.</exception>
    /// <exception cref="CheckpointException">The disk is full or failed; the temporary file was deleted.</exception>
    /// <exception cref="ObjectDisposedException">The writer was committed, disposed, or failed before.</exception>
    public void WriteBytes(ReadOnlySpan<byte> elements)
    {
        ObjectDisposedException.ThrowIf(_file.IsClosed, this);
        int size = _current < _tensors.Length ? _tensors[_current].ElementBytes : 1;
        (int count, int rest) = Math.DivRem(elements.Length, size);
        if (rest != 0 || count > _remaining)
        {
            throw new ArgumentException(
                $"{elements.Length} bytes were given; the tensor whose turn it is has {_remaining} elements of {size} bytes left.", nameof(elements));
        }

        Flush();
        _file.Append(elements);
        _remaining -= count;
        SkipFinished();
    }

    /// <summary>Flushes the file to disk and moves it to its place.</summary>
    /// <exception cref="InvalidOperationException">Declared elements were not written yet; the message says how many.</exception>
    /// <exception cref="CheckpointException">The disk is full or failed, or the file cannot be moved; nothing was kept.</exception>
    /// <exception cref="ObjectDisposedException">The writer was committed, disposed, or failed before.</exception>
    public void Commit()
    {
        ObjectDisposedException.ThrowIf(_file.IsClosed, this);
        if (_current < _tensors.Length)
        {
            throw new InvalidOperationException(
                $"Tensor {CheckpointText.Quote(_tensors[_current].Name)} lacks {_remaining} elements; write every declared tensor before {nameof(Commit)}.");
        }

        Flush();
        _file.Commit();
    }

    /// <summary>Deletes what was not committed.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _file.Dispose();
            ArrayPool<byte>.Shared.Return(_staging);
        }
    }

    private void RequireRoom(int count, bool asFloats)
    {
        long left = 0;
        for (int i = _current; i < _tensors.Length && left < count; i++)
        {
            if (asFloats && _tensors[i].Encoding is null)
            {
                throw new ArgumentException(
                    $"Tensor {CheckpointText.Quote(_tensors[i].Name)} has type {_tensors[i].Type}; {SafetensorsTypes.ReadableList} are written from floats.");
            }

            left += i == _current ? _remaining : _tensors[i].Elements;
        }

        if (left < count)
        {
            throw new ArgumentException($"{count} elements were given, but the declared tensors have {left} left.", nameof(count));
        }
    }

    // Past what is complete, tensors without elements included.
    private void SkipFinished()
    {
        while (_remaining == 0 && _current < _tensors.Length)
        {
            _current++;
            _remaining = _current < _tensors.Length ? _tensors[_current].Elements : 0;
        }
    }

    private void Flush()
    {
        _file.Append(_staging.AsSpan(0, _staged));
        _staged = 0;
    }
}
