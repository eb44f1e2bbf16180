using NativeFfn.Backends.Cpu.Rows;

namespace NativeFfn.Backends.Cpu.Forward;

/// <summary>Copies inner values into a trace, computed by the same kernels on the same numbers as the forward's own.</summary>
internal static unsafe class TraceRows
{
    /// <summary>Keeps the projections with their biases, and the activation of the first.</summary>
    public static void BeforeActivation(
        FfnStageTrace trace, int token, int firstColumn, int columns, float* gate, float* bias, float* up, float* upBias)
    {
        int width = trace.Stage.Width;
        Copy(trace.PreActivation, token, width, gate, firstColumn, columns);
        AddBias(trace.PreActivation, token, width, bias, firstColumn, columns);
        if (trace.Up is not null)
        {
            Copy(trace.Up, token, width, up, firstColumn, columns);
            AddBias(trace.Up, token, width, upBias, firstColumn, columns);
        }

        Activation(trace, token, firstColumn, columns, gate, bias);
    }

    /// <summary>Keeps the activation of a projection.</summary>
    public static void Activation(FfnStageTrace trace, int token, int firstColumn, int columns, float* gate, float* bias)
    {
        int width = trace.Stage.Width;
        Copy(trace.Activation, token, width, gate, firstColumn, columns);
        fixed (float* activation = trace.Activation)
        {
            trace.Stage.Kind.Activation.Plain(
                activation + Index(token, width, firstColumn), bias, columns, trace.Stage.Kind.KnownParameters);
        }
    }

    /// <summary>Keeps part of a row, where there is something to keep it in.</summary>
    public static void Copy(float[]? rows, int token, int width, float* values, int firstColumn, int columns)
    {
        if (rows is not null)
        {
            new ReadOnlySpan<float>(values, columns).CopyTo(rows.AsSpan((int)Index(token, width, firstColumn), columns));
        }
    }

    private static void AddBias(float[] rows, int token, int width, float* bias, int firstColumn, int columns)
    {
        if (bias != null)
        {
            fixed (float* start = rows)
            {
                float* row = start + Index(token, width, firstColumn);
                RowKernel.Add(row, row, bias, columns);
            }
        }
    }

    private static long Index(int token, int width, int firstColumn) => ((long)token * width) + firstColumn;
}
