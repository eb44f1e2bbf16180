using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Software;

/// <summary>Blocks of a launch.</summary>
internal readonly record struct KernelGrid(int X, int Y)
{
    /// <summary>Threads of every block of every kernel.</summary>
    public const int BlockThreads = 256;
}

/// <summary>A kernel in C#, by its formula and not by its threads.</summary>
internal abstract class SoftwareKernel(string name)
{
    public string Name { get; } = name;

    public abstract int ArgumentBytes { get; }

    /// <summary>Refuses a launch that the kernel is not written for.</summary>
    public void Prove(KernelGrid grid, bool blockFits)
    {
        if (!blockFits || !Fits(grid))
        {
            throw new NativeFailure(
                CudaResult.InvalidValue, $"{Name} was launched with a grid or block that it is not written for: {grid}.");
        }
    }

    public abstract void Run(in KernelRun run, ReadOnlySpan<byte> argument);

    protected abstract bool Fits(KernelGrid grid);
}

/// <summary>A kernel with one structure for its argument.</summary>
internal abstract class SoftwareKernel<T>(string name) : SoftwareKernel(name)
    where T : unmanaged
{
    public override int ArgumentBytes => Unsafe.SizeOf<T>();

    public override void Run(in KernelRun run, ReadOnlySpan<byte> argument) => Run(run, MemoryMarshal.Read<T>(argument));

    protected abstract void Run(in KernelRun run, in T argument);
}

/// <summary>Every kernel by name.</summary>
internal static class SoftwareKernels
{
    private static readonly Dictionary<string, SoftwareKernel> ByName = new SoftwareKernel[]
    {
        new PrepareKernel("prepare_operand", static precision => precision.Operand), new PrepareKernel("prepare_vector", static precision => precision.Vector),
        new PrepareKernel("prepare_rows", static _ => NumberFormat.Float32), new GatherKernel(), new CombineKernel(),
        new ActivateOperandKernel(), new ActivateResultKernel(), new TraceKernel(), new WidenKernel(), new FinishKernel(),
        new VectorStageKernel(1), new VectorStageKernel(2), new VectorStageKernel(4), new VectorStageKernel(8),
        new VectorResultKernel(1), new VectorResultKernel(2), new VectorResultKernel(4), new VectorResultKernel(8),
    }.ToDictionary(static kernel => kernel.Name);

    public static IEnumerable<string> Names => ByName.Keys;

    public static SoftwareKernel? Find(string name) => ByName.GetValueOrDefault(name);
}
