using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Cpu.Gemm.Sgemm;
using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Cpu.Rows;

namespace NativeFfn.Backends.Cpu.Gemm.Autotuning;

/// <summary>Two ways to multiply, to be timed against each other.</summary>
internal interface IGemmTrial : IDisposable
{
    /// <summary>Multiplies by the panel kernels.</summary>
    void RunPanels(int tokens);

    /// <summary>Multiplies by the library.</summary>
    void RunLibrary(int tokens);
}

/// <summary>The two on part of a stage's projection, on one thread, each with what it needs to be done before and beside the product.</summary>
internal sealed unsafe class GemmTrial : IGemmTrial
{
    // Rows of the projection: enough that weights come from memory as in a layer, few enough to be done in a moment.
    private const int MostRows = 512;

    // Columns of the projection: beyond some blocks of them times only grow in proportion, and memory with them.
    private const int MostColumns = 32 * 1024;

    private readonly PanelKernel _kernel;
    private readonly IMatrixProduct _library;
    private readonly NativeBuffer _memory;
    private readonly int _rows;
    private readonly int _columns;
    private readonly byte* _panels;
    private readonly float* _input;
    private readonly float* _grouped;
    private readonly float* _output;
    private readonly float* _block;

    /// <summary>Makes the operands of a trial.</summary>
    /// <param name="stage">The stage.</param>
    /// <param name="kernel">One competitor.</param>
    /// <param name="library">The other.</param>
    public GemmTrial(FfnStage stage, PanelKernel kernel, IMatrixProduct library)
    {
        _kernel = kernel;
        _library = library;
        _rows = Math.Min(stage.Width, MostRows);
        _columns = kernel.ColumnOrder?.Length ?? Math.Min(stage.InputWidth, MostColumns);
        long tokens = kernel.Tile(Crossover.MostTokens).PaddedTokens;
        long panels = NativeBuffer.Align(kernel.MatrixBytes(_rows, _columns) / sizeof(float));
        long padded = PanelFormat.PaddedColumns(_columns);
        long output = tokens * Math.Max(_rows, kernel.Rows);
        long block = WidenedProduct.BlockElements(_rows, _columns, kernel.Rows);
        _memory = new NativeBuffer(panels + (2 * tokens * padded) + output + block, "The operands of a calibration");

        // Times do not depend on the values, as long as they are ordinary numbers in every precision.
        new Span<byte>(_memory.Pointer, checked((int)_memory.ByteLength)).Fill(0x3C);
        _panels = (byte*)_memory.Pointer;
        if (kernel.IsDecoded)
        {
            // Headers of rows may hold places, of which zero is always one.
            new Span<byte>(_panels, checked((int)kernel.MatrixBytes(_rows, _columns))).Clear();
        }

        _input = _memory.Pointer + panels;
        _grouped = _input + (tokens * padded);
        _output = _grouped + (tokens * padded);
        _block = _output + output;
    }

    public void RunPanels(int tokens)
    {
        TokenTiles tiles = _kernel.Tile(tokens);
        var packed = new TokenPanels(_grouped, tiles, PanelFormat.PaddedColumns(_columns), _kernel.Form);
        for (int tile = 0; tile < tiles.Count; tile++)
        {
            packed.WriteRows(tile, new RowSelection(_input + ((long)tiles.FirstToken(tile) * _columns), _columns), _columns, _kernel.ColumnOrder);
        }

        int columnGroups = PanelFormat.Groups(_columns);
        long panelBytes = _kernel.PanelBytes(_columns);
        for (int panel = 0; panel < _kernel.Panels(_rows); panel++)
        {
            byte* weights = _panels + (panel * panelBytes);
            for (int block = 0; block < columnGroups; block += PanelKernel.BlockGroups)
            {
                Multiply(weights, block, Math.Min(PanelKernel.BlockGroups, columnGroups - block), packed);
            }
        }
    }

    public void RunLibrary(int tokens) => new WidenedProduct(_kernel, _library, _block).Multiply(
        tokens, _rows, _columns, _input, _columns, _panels, _kernel.PanelBytes(_columns), _output, _rows, accumulate: false);

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    private void Multiply(byte* panel, int block, int groups, TokenPanels tokens)
    {
        byte* read = panel + _kernel.BytesOf(block);
        int bytes = _kernel.BytesOf(block, groups);
        PanelKernel multiplier = _kernel;
        if (_kernel.IsDecoded)
        {
            _kernel.Unpack(panel, _columns, block, groups, _block, _kernel.Rows);
            read = (byte*)_block;
            multiplier = _kernel.Widened;
        }

        multiplier.Multiply(
            read, groups, tokens, (long)block * PanelFormat.GroupColumns, 0, tokens.Tiles.Count, _output, accumulate: block > 0, read + bytes, bytes);
    }
}
