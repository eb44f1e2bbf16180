namespace NativeFfn.Backends.Cpu.Steps;

/// <summary>What a step of a chunk does.</summary>
internal enum CpuStepKind
{
    /// <summary>The input as the first stage reads it: normalized, grouped for the panel kernels, or both. Regions are rows of token groups.</summary>
    Input,

    /// <summary>A stage, with the residual where it is the last one.</summary>
    Stage,

    /// <summary>The norms after the last stage.</summary>
    Finish,
}

/// <summary>One step, run on any region of its result; regions of one step are independent of each other.</summary>
internal readonly struct CpuStep(CpuStepKind kind, int stage = 0)
{
    public void Run(in CpuChunk chunk, Region region, int worker)
    {
        switch (kind)
        {
            case CpuStepKind.Input when chunk.UsesPanels:
                InputStep.Group(chunk, region, worker);
                break;
            case CpuStepKind.Input:
                InputStep.Normalize(chunk, region);
                break;
            case CpuStepKind.Stage when chunk.UsesPanels:
                PanelStage.Run(chunk, stage, region, worker);
                break;
            case CpuStepKind.Stage:
                LibraryStage.Run(chunk, stage, region, worker);
                break;
            default:
                FinishStep.Run(chunk, region);
                break;
        }
    }
}
