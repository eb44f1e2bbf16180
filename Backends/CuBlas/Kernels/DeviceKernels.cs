using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Kernels;

/// <summary>The kernels of one precision, each launched with the grid that it is written for.</summary>
internal sealed unsafe class DeviceKernels : IDisposable
{
    /// <summary>The most tokens that the decode kernels take.</summary>
    public const int MostVectorTokens = 8;

    // Bytes that a thread of the element-wise kernels moves at a time.
    private const int VectorBytes = 16;

    private readonly CudaModule _module;
    private readonly DeviceFormat _format;
    private readonly CudaKernel _prepareOperand;
    private readonly CudaKernel _prepareVector;
    private readonly CudaKernel _prepareRows;
    private readonly CudaKernel _activateOperand;
    private readonly CudaKernel _activateResult;
    private readonly CudaKernel _traceStage;
    private readonly CudaKernel _widenOperand;
    private readonly CudaKernel _finish;
    private readonly CudaKernel _gatherRows;
    private readonly CudaKernel _combineExperts;
    private readonly CudaKernel[] _vectorStage;
    private readonly CudaKernel[] _vectorResult;

    /// <summary>Finds every kernel.</summary>
    /// <param name="module">The compiled program, owned from now on.</param>
    /// <param name="format">What it was compiled for.</param>
    public DeviceKernels(CudaModule module, DeviceFormat format)
    {
        _module = module;
        _format = format;
        _prepareOperand = module.Kernel("prepare_operand");
        _prepareVector = module.Kernel("prepare_vector");
        _prepareRows = module.Kernel("prepare_rows");
        _activateOperand = module.Kernel("activate_operand");
        _activateResult = module.Kernel("activate_result");
        _traceStage = module.Kernel("trace_stage");
        _widenOperand = module.Kernel("widen_operand");
        _finish = module.Kernel("finish");
        _gatherRows = module.Kernel("gather_rows");
        _combineExperts = module.Kernel("combine_experts");
        _vectorStage = ByTokens(module, "vector_stage_");
        _vectorResult = ByTokens(module, "vector_result_");
    }

    public void PrepareOperand(CudaStream stream, int tokens, InputArguments arguments) =>
        stream.Launch(_prepareOperand, OneBlockEach(tokens), &arguments);

    public void PrepareVector(CudaStream stream, int tokens, InputArguments arguments) =>
        stream.Launch(_prepareVector, OneBlockEach(tokens), &arguments);

    public void PrepareRows(CudaStream stream, int tokens, InputArguments arguments) =>
        stream.Launch(_prepareRows, OneBlockEach(tokens), &arguments);

    // With scales, a token's block first looks for its largest value.
    public void ActivateOperand(CudaStream stream, int tokens, ActivationArguments arguments) => stream.Launch(
        _activateOperand, _format.IsScaled ? new LaunchShape(1, tokens, KernelSources.BlockThreads) : Columns(arguments.PaddedWidth, tokens), &arguments);

    public void ActivateResult(CudaStream stream, int tokens, ActivationArguments arguments) =>
        stream.Launch(_activateResult, Columns(arguments.PaddedWidth, tokens), &arguments);

    public void TraceStage(CudaStream stream, int tokens, TraceArguments arguments) =>
        stream.Launch(_traceStage, Columns(arguments.PaddedWidth, tokens), &arguments);

    public void WidenOperand(CudaStream stream, int tokens, WidenArguments arguments) =>
        stream.Launch(_widenOperand, Columns(arguments.Width, tokens), &arguments);

    public void Finish(CudaStream stream, int tokens, FinishArguments arguments) =>
        stream.Launch(_finish, OneBlockEach(tokens), &arguments);

    public void GatherRows(CudaStream stream, int rows, GatherArguments arguments) =>
        stream.Launch(_gatherRows, OneBlockEach(rows), &arguments);

    public void CombineExperts(CudaStream stream, int tokens, CombineArguments arguments) =>
        stream.Launch(_combineExperts, OneBlockEach(tokens), &arguments);

    public void VectorStage(CudaStream stream, VectorStageArguments arguments) =>
        stream.Launch(_vectorStage[arguments.Tokens], Rows(arguments.PaddedWidth), &arguments);

    public void VectorResult(CudaStream stream, VectorResultArguments arguments) =>
        stream.Launch(_vectorResult[arguments.Tokens], Rows(arguments.Width), &arguments);

    /// <inheritdoc/>
    public void Dispose() => _module.Dispose();

    // The kernel for a token count is the smallest that holds it.
    private static CudaKernel[] ByTokens(CudaModule module, string name)
    {
        var kernels = new CudaKernel[MostVectorTokens + 1];
        foreach (int size in (int[])[8, 4, 2, 1])
        {
            Array.Fill(kernels, module.Kernel(name + size), 0, size + 1);
        }

        return kernels;
    }

    private static LaunchShape OneBlockEach(int tokens) => new(tokens, 1, KernelSources.BlockThreads);

    private static LaunchShape Rows(int width) => new(Blocks(width, KernelSources.VectorRows), 1, KernelSources.BlockThreads);

    private LaunchShape Columns(int width, int tokens) =>
        new(Blocks(width, KernelSources.BlockThreads * (VectorBytes / _format.ProductBytes)), tokens, KernelSources.BlockThreads);

    private static int Blocks(int elements, int ofBlock) => (elements + ofBlock - 1) / ofBlock;
}
