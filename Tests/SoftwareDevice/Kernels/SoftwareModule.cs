using System.Buffers.Binary;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Software;

/// <summary>The precision that a module was compiled for, by the macro among its options, and what its kernels' types are.</summary>
/// <param name="Macro">Such as NATIVEFFN_BF16.</param>
/// <param name="Weight">Stored weights.</param>
/// <param name="Operand">What a token brings into a matrix product.</param>
/// <param name="Product">What a hidden stage's product is.</param>
/// <param name="Vector">What a token brings into the vector kernels.</param>
internal sealed record ModulePrecision(string Macro, NumberFormat Weight, NumberFormat Operand, NumberFormat Product, NumberFormat Vector)
{
    public static readonly ModulePrecision[] All =
    [
        new("NATIVEFFN_F32", NumberFormat.Float32, NumberFormat.Float32, NumberFormat.Float32, NumberFormat.Float32),
        new("NATIVEFFN_BF16", NumberFormat.BFloat16, NumberFormat.BFloat16, NumberFormat.BFloat16, NumberFormat.BFloat16),
        new("NATIVEFFN_F16", NumberFormat.Float16, NumberFormat.Float16, NumberFormat.Float16, NumberFormat.Float16),
        new("NATIVEFFN_E4M3", NumberFormat.E4M3, NumberFormat.E4M3, NumberFormat.BFloat16, NumberFormat.BFloat16),
    ];
}

/// <summary>Compiled code for the software device: which kernels they are is known, so only architecture and precision are in it.</summary>
internal readonly unsafe record struct SoftwareCubin(int Architecture, ModulePrecision Precision)
{
    // Begins like every cubin; what follows is no ELF header, so that a real driver refuses it.
    private static ReadOnlySpan<byte> Magic => "\u007fELFSOFTWARE-DEVICE\0"u8;

    public byte[] Write()
    {
        byte[] image = new byte[Magic.Length + (2 * sizeof(int))];
        Magic.CopyTo(image);
        BinaryPrimitives.WriteInt32LittleEndian(image.AsSpan(Magic.Length), Architecture);
        BinaryPrimitives.WriteInt32LittleEndian(image.AsSpan(Magic.Length + sizeof(int)), Array.IndexOf(ModulePrecision.All, Precision));
        return image;
    }

    /// <summary>Null where it is no image of the software device's.</summary>
    public static SoftwareCubin? Read(byte* image)
    {
        // Byte by byte, as the length of an image that is none is not known.
        for (int i = 0; i < Magic.Length; i++)
        {
            if (image[i] != Magic[i])
            {
                return null;
            }
        }

        int* numbers = (int*)(image + Magic.Length);
        return new SoftwareCubin(numbers[0], ModulePrecision.All[numbers[1]]);
    }
}

/// <summary>A loaded module.</summary>
internal sealed class SoftwareModule(SoftwareContext context, ModulePrecision precision)
{
    public SoftwareContext Context { get; } = context;

    public ModulePrecision Precision { get; } = precision;

    /// <summary>CUfunctions that were asked for.</summary>
    public List<nint> Functions { get; } = [];

    public bool IsUnloaded { get; set; }
}

/// <summary>A kernel of a loaded module.</summary>
internal sealed record SoftwareFunction(SoftwareModule Module, SoftwareKernel Kernel);

/// <summary>One launch of a kernel; its argument was copied when it was queued.</summary>
internal sealed class KernelOperation(Launch launch, SoftwareFunction function, KernelGrid grid, byte[] argument) : Operation(launch)
{
    public override void Execute(SoftwareDevice device, SoftwareStream stream)
    {
        if (function.Module.IsUnloaded)
        {
            throw new NativeFailure(CudaResult.IllegalAddress, $"{this} runs after its module was unloaded.");
        }

        function.Kernel.Run(new KernelRun(device, stream.Context.Ordinal, function.Module.Precision, grid, function.Kernel.Name), argument);
    }
}
