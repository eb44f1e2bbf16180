namespace NativeFfn.Backends.Cpu.Panels;

/// <summary>How a matrix <c>[rows, columns]</c> lies in memory for the panel kernels.</summary>
/// <remarks>
/// A panel is some rows, as many as two vectors have lanes, with zero rows filling the last one. It is stored column after column, so that
/// a kernel reads it from end to end, in groups of 32 columns, the last one filled with zero columns. Inside a group:
/// <code>
/// f32         32 columns of [rows] floats
/// bf16, f16   16 pairs of columns, a 32-bit lane a row: the even column in the lower half, the odd one in the upper
/// int8        [rows] float scales, then 32 columns of [rows] bytes
/// </code>
/// </remarks>
/// <param name="Precision">How a weight is stored.</param>
/// <param name="Rows">Rows of a panel.</param>
internal readonly record struct PanelFormat(FfnPrecision Precision, int Rows)
{
    /// <summary>Columns that share an int8 scale, and to whose multiple every matrix is filled up.</summary>
    public const int GroupColumns = 32;

    /// <summary>Bytes of the scales at the head of a group.</summary>
    public int ScaleBytes => Precision == FfnPrecision.Int8 ? Rows * sizeof(float) : 0;

    /// <summary>Bytes of one column of a panel.</summary>
    public int ColumnBytes => Rows * Precision switch
    {
        FfnPrecision.Float32 => sizeof(float),
        FfnPrecision.Int8 => sizeof(sbyte),
        _ => sizeof(ushort),
    };

    /// <summary>Bytes of a group of columns.</summary>
    public int GroupBytes => ScaleBytes + (GroupColumns * ColumnBytes);

    /// <summary>Groups of a row.</summary>
    public static int Groups(int columns) => (int)(((long)columns + GroupColumns - 1) / GroupColumns);

    /// <summary>Columns with those that fill the last group.</summary>
    public static long PaddedColumns(int columns) => (long)Groups(columns) * GroupColumns;

    /// <summary>Panels of a matrix.</summary>
    public int Panels(int rows) => (int)(((long)rows + Rows - 1) / Rows);

    /// <summary>Bytes of a panel.</summary>
    public long PanelBytes(int columns) => (long)Groups(columns) * GroupBytes;

    /// <summary>Bytes of a matrix.</summary>
    public long MatrixBytes(int rows, int columns) => checked(Panels(rows) * PanelBytes(columns));
}
