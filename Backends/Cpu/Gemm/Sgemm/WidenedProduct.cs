using System.Runtime.CompilerServices;
using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Cpu.Rows;

namespace NativeFfn.Backends.Cpu.Gemm.Sgemm;

/// <summary>A library's product with weights that are kept as panels: some panels at a time are widened to float32 rows of columns.</summary>
/// <param name="kernel">Reads the panels.</param>
/// <param name="library">Multiplies.</param>
/// <param name="block">Room for <see cref="BlockElements"/>, the calling thread's own.</param>
internal readonly unsafe struct WidenedProduct(PanelKernel kernel, IMatrixProduct library, float* block)
{
    // A library packs the tokens anew for every block, so a block is as wide as pays: 512 rows, unless they pass 16 MiB.
    private const int BlockRows = 512;
    private const long MostBlockElements = 4 * 1024 * 1024;

    /// <summary>Floats that a block of a matrix takes.</summary>
    /// <param name="rows">Rows of the matrix.</param>
    /// <param name="columns">Its columns.</param>
    /// <param name="rowsOfPanel">Rows of a panel.</param>
    public static long BlockElements(int rows, int columns, int rowsOfPanel) =>
        PanelsOfBlock(rows, columns, rowsOfPanel) * (long)rowsOfPanel * PanelFormat.PaddedColumns(columns);

    /// <summary>C[m, n] = A[m, k] · Bᵀ, or C += that product.</summary>
    /// <param name="m">Rows of A and C.</param>
    /// <param name="n">Rows of B, columns of C.</param>
    /// <param name="k">Columns of A and B.</param>
    /// <param name="a">A.</param>
    /// <param name="lda">Elements from one row of A to the next.</param>
    /// <param name="panels">The panels of B.</param>
    /// <param name="panelStride">From one of B's panels to the next, in bytes.</param>
    /// <param name="c">C.</param>
    /// <param name="ldc">Elements from one row of C to the next.</param>
    /// <param name="accumulate">Whether C is added to.</param>
    public void Multiply(int m, int n, int k, float* a, long lda, byte* panels, long panelStride, float* c, long ldc, bool accumulate)
    {
        int rowsOfPanel = kernel.Rows;
        int panelsOfBlock = PanelsOfBlock(n, k, rowsOfPanel);
        long stride = (long)panelsOfBlock * rowsOfPanel;
        int groups = PanelFormat.Groups(k);
        for (int first = 0; first < n; first += panelsOfBlock * rowsOfPanel)
        {
            int columns = (int)Math.Min(stride, n - first);
            for (int i = 0; i * rowsOfPanel < columns; i++, panels += panelStride)
            {
                Unpack(panels, k, groups, block + (i * rowsOfPanel), stride);
            }

            library.Multiply(m, columns, k, a, lda, block, stride, transposed: false, c + first, ldc, accumulate);
        }
    }

    // A panel, each column at its own place.
    [SkipLocalsInit]
    private void Unpack(byte* panel, int k, int groups, float* destination, long stride)
    {
        if (kernel.ColumnOrder is not { } order)
        {
            kernel.Unpack(panel, k, 0, groups, destination, stride);
            return;
        }

        int rows = kernel.Rows;
        float* part = stackalloc float[PanelKernel.BlockColumns * rows];
        for (int first = 0; first < k; first += PanelKernel.BlockColumns)
        {
            int columns = Math.Min(PanelKernel.BlockColumns, k - first);
            kernel.Unpack(panel, k, first / PanelFormat.GroupColumns, PanelFormat.Groups(columns), part, rows);
            for (int i = 0; i < columns; i++)
            {
                RowKernel.Copy(destination + (order[first + i] * stride), part + (i * rows), rows);
            }
        }
    }

    private static int PanelsOfBlock(int rows, int columns, int rowsOfPanel)
    {
        long most = Math.Min(BlockRows, MostBlockElements / PanelFormat.PaddedColumns(columns)) / rowsOfPanel;
        return (int)Math.Clamp(most, 1, (rows + rowsOfPanel - 1) / rowsOfPanel);
    }
}
