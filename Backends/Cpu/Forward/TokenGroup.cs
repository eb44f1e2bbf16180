using NativeFfn.Backends.Cpu.Gemm;
using NativeFfn.Backends.Cpu.Weights;

namespace NativeFfn.Backends.Cpu.Forward;

/// <summary>A group: some tokens of a chunk with one network's matrices. A dense layer is one, a mixture one for each expert with tokens.</summary>
internal struct TokenGroup
{
    /// <summary>The network.</summary>
    public NetworkWeights Network;

    /// <summary>The GEMM that multiplies it.</summary>
    public IGemm Gemm;

    /// <summary>The expert, which the wave has acquired; <see cref="FfnTensor.NoExpert"/> where it needs no acquiring.</summary>
    public int Expert;

    /// <summary>Tokens.</summary>
    public int Tokens;

    /// <summary>The first token of the chunk, where tokens follow each other.</summary>
    public int FirstToken;

    /// <summary>The first of the sorted routes whose tokens these are; negative where tokens follow each other.</summary>
    public int FirstRoute;

    /// <summary>The first row among results.</summary>
    public int FirstRow;

    /// <summary>The tokens as the panel kernels have them.</summary>
    public TokenTiles Tiles;

    /// <summary>Floats of the wave before the inputs of the first, third … stage.</summary>
    public long Even;

    /// <summary>Floats of the wave before the inputs of the second, fourth … stage.</summary>
    public long Odd;

    /// <summary>Floats of the wave before the activated projection, where panels keep it for <see cref="HiddenRows"/>.</summary>
    public long Gate;

    /// <summary>Floats of the wave before the up projection, where a library multiplies or panels keep it.</summary>
    public long Up;

    /// <summary>Whether it is an expert that waves acquire.</summary>
    public readonly bool IsExpert => Expert != FfnTensor.NoExpert;

    /// <summary>Whether the tokens follow each other in the chunk.</summary>
    public readonly bool IsContiguous => FirstRoute < 0;

    /// <summary>Multiply-adds of a stage.</summary>
    public readonly long Work(int stage)
    {
        FfnStage shape = Network.Stages[stage];
        return (long)Tokens * shape.ProjectionCount * shape.InputWidth * shape.Width;
    }
}
