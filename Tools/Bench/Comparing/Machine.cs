using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace NativeFfn.Bench.Comparing;

/// <summary>Where the numbers were taken.</summary>
/// <param name="Processor">The processor's name, as the system tells it.</param>
/// <param name="Processors">Processors that this process may use.</param>
/// <param name="VectorBits">Width of the widest vectors that the runtime uses.</param>
/// <param name="Runtime">.NET's version.</param>
/// <param name="OperatingSystem">Name and version.</param>
internal sealed record Machine(string Processor, int Processors, int VectorBits, string Runtime, string OperatingSystem)
{
    /// <summary>This one.</summary>
    public static Machine Here() => new(
        Backends.Processor.Name,
        Environment.ProcessorCount,
        Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 0,
        RuntimeInformation.FrameworkDescription,
        RuntimeInformation.OSDescription);

    public override string ToString() => $"{Processor}, {Processors} processors, {VectorBits}-bit vectors, {Runtime}, {OperatingSystem}";
}
