using NativeFfn.Backends.Cpu.Gemm.Assembled;
using NUnit.Framework;

namespace NativeFfn.Tests.Panels;

/// <summary>Tiles of integers by AMX that are interpreted, and those by vectors that this processor runs, where a kernel runs assembled code.</summary>
internal sealed unsafe class InterpretedTileCode(TileForm form) : TileCode(whyNot: null)
{
    private readonly TileCode _vectors = Of(form.OfVectors);

    // Memory ends at guard pages, or is the kernel's own.
    private readonly TileInterpreter _interpreter = new() { AllowsAll = true };

    // What registers are configured for; 0 for nothing.
    private int _configured;

    /// <summary>Tiles that were interpreted, and times that registers were configured and given back.</summary>
    public (int Tiles, int Configured, int Released) Counts { get; private set; }

    public override bool Configure(int size)
    {
        if (size < IntegerMatrixTile.FewestTokens)
        {
            return false;
        }

        (_configured, Counts) = (size, Counts with { Configured = Counts.Configured + 1 });
        return true;
    }

    public override void Release()
    {
        Assert.That(_configured, Is.Positive);
        (_configured, Counts) = (0, Counts with { Released = Counts.Released + 1 });
    }

    public override void Run(int size, int count, TileArguments* arguments)
    {
        if (size < IntegerMatrixTile.FewestTokens)
        {
            _vectors.Run(size, count, arguments);
            return;
        }

        Assert.That(_configured, Is.EqualTo(size));
        Assert.That((long)arguments->Scratch % 64, Is.Zero, "rows of registers lie in lines");
        Counts = Counts with { Tiles = Counts.Tiles + 1 };

        _interpreter.RunTile(form, size, TileConvention.SystemV, arguments);
    }
}
