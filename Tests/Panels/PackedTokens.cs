using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Cpu.Rows;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Panels;

/// <summary>A tile of tokens, rounded as a kernel wants them, that lies beside a page which may not be touched.</summary>
internal static unsafe class PackedTokens
{
    /// <summary>Packs rows of tokens; the tile may be larger.</summary>
    public static GuardedBuffer Of(float[] rows, int tokens, int size, int columns, TokenForm form)
    {
        using GuardedBuffer source = GuardedBuffer.Of(rows, GuardSide.After);
        int padded = (int)PanelFormat.PaddedColumns(columns);
        var packed = new GuardedBuffer((int)(size * form.Elements(padded)), GuardSide.After);
        packed.Span.Fill(float.NaN);
        RoundedRows.Write(new RowSelection(source.Pointer, columns), tokens, columns, form, packed.Pointer, size);
        return packed;
    }
}
