using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Cpu.Panels;

namespace NativeFfn.Backends.Cpu.Calibration;

/// <summary>Two ways to multiply, to be timed against each other.</summary>
internal interface IProductRace : IDisposable
{
    /// <summary>Multiplies by the panel kernels.</summary>
    void RunPanels(int tokens);

    /// <summary>Multiplies by the library.</summary>
    void RunLibrary(int tokens);
}

/// <summary>The two on part of a stage's projection, on one thread, each with what it needs to be done before and beside the product.</summary>
internal sealed unsafe class ProductRace : IProductRace
{
    // Rows of the projection: enough that weights come from memory as in a layer, few enough to be done in a moment.
    private const int MostRows = 512;

    // Columns of the projection: beyond some blocks of them times only grow in proportion, and memory with them.
    private const int MostColumns = 32 * 1024;

    private readonly PanelKernel _kernel;
    private readonly IMatrixProduct? _library;
    private readonly NativeBuffer _memory;
    private readonly int _rows;
    private readonly int _columns;
    private readonly byte* _panels;
    private readonly float* _input;
    private readonly float* _grouped;
    private readonly float* _output;
    private readonly float* _block;

    /// <summary>Makes the operands of a race.</summary>
    /// <param name="stage">The stage.</param>
    /// <param name="kernel">One competitor.</param>
    /// <param name="library">The other; null where only the first is to run.</param>
    public ProductRace(FfnStage stage, PanelKernel kernel, IMatrixProduct? library)
    {
        _kernel = kernel;
        _library = library;
        _rows = Math.Min(stage.Width, MostRows);
        _columns = Math.Min(stage.InputWidth, MostColumns);
        long tokens = kernel.Group(SwitchPoints.MostTokens).PaddedTokens;
        long panels = NativeBuffer.Align(kernel.Format.MatrixBytes(_rows, _columns) / sizeof(float));
        long padded = PanelFormat.PaddedColumns(_columns);
        long output = tokens * Math.Max(_rows, kernel.Format.Rows);
        long block = WidenedProduct.BlockElements(_rows, _columns, kernel.Format.Rows);
        _memory = new NativeBuffer(panels + (2 * tokens * padded) + output + block, "The operands of a calibration");

        // Times do not depend on the values, as long as they are ordinary numbers in every precision.
        new Span<byte>(_memory.Pointer, checked((int)_memory.ByteLength)).Fill(0x3C);
        _panels = (byte*)_memory.Pointer;
        _input = _memory.Pointer + panels;
        _grouped = _input + (tokens * padded);
        _output = _grouped + (tokens * padded);
        _block = _output + output;
    }

    public void RunPanels(int tokens)
    {
        TokenGroups groups = _kernel.Group(tokens);
        var grouped = new TokenPanels(_grouped, groups, PanelFormat.PaddedColumns(_columns));
        for (int group = 0; group < groups.Count; group++)
        {
            grouped.Write(group, 0, _input + ((long)groups.FirstToken(group) * _columns), _columns, _columns);
        }

        int columnGroups = PanelFormat.Groups(_columns);
        byte* weights = _panels;
        for (int panel = 0; panel < _kernel.Format.Panels(_rows); panel++)
        {
            for (int block = 0; block < columnGroups; block += PanelKernel.BlockGroups)
            {
                int count = Math.Min(PanelKernel.BlockGroups, columnGroups - block);
                byte* next = weights + (count * _kernel.Format.GroupBytes);
                _kernel.Multiply(
                    weights, count, grouped, (long)block * PanelFormat.GroupColumns, 0, groups.Count, _output, accumulate: block > 0, next);
                weights = next;
            }
        }
    }

    public void RunLibrary(int tokens) => new WidenedProduct(_kernel, _library!, _block).Multiply(
        tokens, _rows, _columns, _input, _columns, _panels, 1, _output, _rows, accumulate: false);

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();
}
