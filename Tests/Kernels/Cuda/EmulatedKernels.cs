using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>In which order the emulation runs the threads of a block between two barriers; a result that depends on it is a race.</summary>
public enum ThreadOrder
{
    Forward = 0,
    Backward = 1,
}

/// <summary>The sources of Native/cuda in one precision, compiled by g++ for the CPU once in a run of the tests.</summary>
internal sealed unsafe class EmulatedKernels
{
    private static readonly string[] Options =
    [
        "-std=c++17", "-O2", "-march=native", "-ffp-contract=off", "-fno-strict-aliasing", "-fvisibility=hidden",
        "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-shared", "-fPIC",
    ];

    // Where build/check-kernels.sh finds it, too.
    private static readonly Lazy<string> TableFolder = new(static () =>
    {
        string folder = Directory.CreateDirectory(Path.Combine(Repository.Root, "artifacts", "kernels")).FullName;
        File.WriteAllText(Path.Combine(folder, KernelSources.ActivationTableName), KernelSources.ActivationTable);
        return folder;
    });

    private static readonly ConcurrentDictionary<string, Lazy<EmulatedKernels>> Compiled = new();

    private readonly nint _library;
    private readonly delegate* unmanaged<byte*, int, int, int, void*, int, byte*> _launch;

    private EmulatedKernels(string file)
    {
        _library = NativeLibrary.Load(file);
        _launch = (delegate* unmanaged<byte*, int, int, int, void*, int, byte*>)NativeLibrary.GetExport(_library, "emulation_launch");
    }

    /// <summary>The kernels of a precision; the test is left out where there is no g++.</summary>
    public static EmulatedKernels Of(KernelPrecision precision)
    {
        if (!OperatingSystem.IsLinux() || !Compiler.IsFound)
        {
            Assert.Ignore("The kernels run on the CPU where g++ compiles them, and there is none.");
        }

        return Compiled.GetOrAdd(precision.Name, static name => new Lazy<EmulatedKernels>(() => Compile(name))).Value;
    }

    /// <summary>Runs a kernel; returns what went wrong, or null.</summary>
    public string? TryLaunch<TArguments>(string kernel, int gridX, int gridY, TArguments arguments, ThreadOrder order)
        where TArguments : unmanaged
    {
        byte[] name = Encoding.UTF8.GetBytes(kernel + '\0');
        fixed (byte* first = name)
        {
            return Marshal.PtrToStringUTF8((nint)_launch(first, gridX, gridY, KernelSources.BlockThreads, &arguments, (int)order));
        }
    }

    /// <summary>Runs a kernel, and fails the test where its threads disagree.</summary>
    public void Launch<TArguments>(string kernel, int gridX, int gridY, TArguments arguments, ThreadOrder order)
        where TArguments : unmanaged =>
        Assert.That(TryLaunch(kernel, gridX, gridY, arguments, order), Is.Null, kernel);

    /// <summary>The size of a struct of arguments.cuh or, as Struct.field, the offset of a field.</summary>
    public int Layout(string name)
    {
        var layout = (delegate* unmanaged<byte*, int>)NativeLibrary.GetExport(_library, "emulation_layout");
        fixed (byte* first = Encoding.UTF8.GetBytes(name + '\0'))
        {
            return layout(first);
        }
    }

    /// <summary>What an exported function lists: emulation_kernel or emulation_field.</summary>
    public List<string> Names(string export)
    {
        var name = (delegate* unmanaged<int, byte*>)NativeLibrary.GetExport(_library, export);
        var names = new List<string>();
        while (Marshal.PtrToStringUTF8((nint)name(names.Count)) is { } next)
        {
            names.Add(next);
        }

        return names;
    }

    /// <summary>The kernels' own rounding from float32.</summary>
    public uint[] Round(NumberFormat format, ReadOnlySpan<float> values)
    {
        var round = (delegate* unmanaged<float*, void*, long, void>)NativeLibrary.GetExport(_library, "round_to_" + format.Name);
        var bytes = new byte[values.Length * format.Bytes];
        fixed (float* source = values)
        fixed (byte* target = bytes)
        {
            round(source, target, values.Length);
        }

        var bits = new uint[values.Length];
        for (int i = 0; i < bits.Length; i++)
        {
            bits[i] = format.Bytes == 1 ? bytes[i] : BitConverter.ToUInt16(bytes, 2 * i);
        }

        return bits;
    }

    /// <summary>The kernels' own widening of every encoding, in ascending order.</summary>
    public float[] WidenAll(NumberFormat format)
    {
        var widen = (delegate* unmanaged<void*, float*, long, void>)NativeLibrary.GetExport(_library, "widen_" + format.Name);
        ushort[] words = [.. Enumerable.Range(0, 1 << 16).Select(static bits => (ushort)bits)];
        byte[] bytes = [.. Enumerable.Range(0, 1 << 8).Select(static bits => (byte)bits)];
        var values = new float[1 << (8 * format.Bytes)];
        fixed (ushort* firstWord = words)
        fixed (byte* firstByte = bytes)
        fixed (float* target = values)
        {
            widen(format.Bytes == 1 ? firstByte : firstWord, target, values.Length);
        }

        return values;
    }

    private static EmulatedKernels Compile(string precision)
    {
        string folder = Directory.CreateTempSubdirectory("nativeffn-kernels-").FullName;
        try
        {
            string source = Path.Combine(Repository.Root, "Native", "cuda", "emulation", "emulation.cpp");
            string library = Path.Combine(folder, precision + ".so");
            (int code, string said) = Compiler.Run([.. Options, "-I" + TableFolder.Value, "-DNATIVEFFN_" + precision, source, "-o", library]);
            if (code != 0)
            {
                throw new InvalidOperationException($"g++ does not compile the kernels:\n{said}");
            }

            return new EmulatedKernels(library);
        }
        finally
        {
            // What is loaded stays mapped.
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>g++.</summary>
    private static class Compiler
    {
        public static bool IsFound { get; } = CommandPath.Has("g++");

        public static (int Code, string Said) Run(IEnumerable<string> arguments)
        {
            using Process process = Process.Start(new ProcessStartInfo("g++", arguments) { RedirectStandardError = true })!;
            string said = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, said);
        }
    }
}
