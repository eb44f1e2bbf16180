namespace NativeFfn.Bindings.Cuda;

/// <summary>Captured work, ready to launch as one. The memory, kernels and events that it names must outlive it.</summary>
internal sealed unsafe class CudaGraph : CudaResource
{
    internal CudaGraph(CudaContext context, nint captured)
        : base(context, CudaKind.Graph)
    {
        using CudaContext.Scope scope = context.Enter();
        nint executable = 0;
        context.Check(Functions.cuGraphInstantiateWithFlags(&executable, captured, 0));
        Own(executable);
    }

    /// <inheritdoc/>
    protected override void Free(nint made) => Context.NoteFree(Functions.cuGraphExecDestroy(made), nameof(Functions.cuGraphExecDestroy));
}
