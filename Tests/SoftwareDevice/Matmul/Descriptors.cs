namespace NativeFfn.Tests.Software;

/// <summary>cublasLtMatmulDesc_t.</summary>
internal sealed class MatmulDescriptor : AttributeTable
{
    private const int ComputeType = 0;
    private const int ScaleType = 1;
    private const int TransposeA = 3;
    private const int TransposeB = 4;
    private const int EpilogueKind = 7;
    private const int BiasPointer = 8;
    private const int BiasDataType = 26;

    private static readonly AttributeRule[] Rules =
    [
        new(ComputeType, 4), new(ScaleType, 4), new(2, 4), new(TransposeA, 4), new(TransposeB, 4), new(5, 4), new(6, 4, 2),
        new(EpilogueKind, 4, 1),
        new(BiasPointer, 8), new(10, 8), new(11, 8), new(12, 8), new(13, 8), new(14, 8), new(15, 4), new(17, 8), new(18, 8), new(19, 8),
        new(20, 8),
        new(21, 8), new(22, 4, -1), new(23, 8), new(24, 8), new(25, 1), new(BiasDataType, 4, -1),
    ];

    public MatmulDescriptor(int computeType, int scaleType)
        : base(Rules)
    {
        Put(ComputeType, computeType);
        Put(ScaleType, scaleType);
    }

    public int Compute => (int)Value(ComputeType);

    public int Scale => (int)Value(ScaleType);

    public bool IsTransposedA => Value(TransposeA) == 1;

    public bool IsTransposedB => Value(TransposeB) == 1;

    public int Epilogue => (int)Value(EpilogueKind);

    public nint Bias => (nint)Value(BiasPointer);

    /// <summary>cudaDataType; -1 where the output's is meant.</summary>
    public int BiasType => (int)Value(BiasDataType);

    /// <summary>An attribute that was set and is not modelled here.</summary>
    public int? Unmodelled =>
        SetBeside([ComputeType, ScaleType, TransposeA, TransposeB, EpilogueKind, BiasPointer, BiasDataType]);
}

/// <summary>cublasLtMatrixLayout_t.</summary>
internal sealed class MatrixLayout : AttributeTable
{
    private const int TypeId = 0;
    private const int OrderId = 1;
    private const int RowsId = 2;
    private const int ColumnsId = 3;
    private const int LeadingId = 4;

    private static readonly AttributeRule[] Rules =
        [new(TypeId, 4), new(OrderId, 4), new(RowsId, 8), new(ColumnsId, 8), new(LeadingId, 8), new(5, 4, 1), new(6, 8)];

    public MatrixLayout(int type, ulong rows, ulong columns, long leading)
        : base(Rules)
    {
        Put(TypeId, type);
        Put(RowsId, (long)rows);
        Put(ColumnsId, (long)columns);
        Put(LeadingId, leading);
    }

    /// <summary>cudaDataType.</summary>
    public int Type => (int)Value(TypeId);

    public long Rows => Value(RowsId);

    public long Columns => Value(ColumnsId);

    /// <summary>Elements from a column to the next.</summary>
    public long Leading => Value(LeadingId);

    public int? Unmodelled => SetBeside([TypeId, RowsId, ColumnsId, LeadingId]);
}

/// <summary>cublasLtMatmulPreference_t.</summary>
internal sealed class MatmulPreference() : AttributeTable(Rules)
{
    private const int WorkspaceId = 1;
    private const int ReductionId = 3;
    private const int AlignmentId = 5;

    private static readonly AttributeRule[] Rules =
    [
        new(0, 4), new(WorkspaceId, 8), new(ReductionId, 4, uint.MaxValue), new(AlignmentId, 4, 256), new(6, 4, 256), new(7, 4, 256),
        new(8, 4, 256),
        new(9, 4), new(12, 8, -1),
    ];

    public ulong MaxWorkspaceBytes => (ulong)Value(WorkspaceId);

    /// <summary>Whether a product may be summed in parts.</summary>
    public bool AllowsReduction => Value(ReductionId) != 0;

    /// <summary>Of matrix 0 to 3: A, B, C, D.</summary>
    public int Alignment(int matrix) => (int)Value(AlignmentId + matrix);
}
