using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Nvrtc;

/// <summary>
/// NVRTC, resolved: compiles CUDA C++ for any architecture it knows, with or without a GPU. Safe for use by several threads at once.
/// </summary>
internal sealed unsafe class NvrtcCompiler
{
    /// <summary>Resolves every function.</summary>
    /// <exception cref="NativeLibraryException">A function is missing.</exception>
    /// <exception cref="NvrtcException">The compiler refuses.</exception>
    public NvrtcCompiler(NativeSymbols symbols)
    {
        Functions = new NvrtcFunctions(symbols);
        Path = symbols.Path;
        int major = 0;
        int minor = 0;
        Check(Functions.nvrtcVersion(&major, &minor));
        Version = (major, minor);
        int count = 0;
        Check(Functions.nvrtcGetNumSupportedArchs(&count));
        var architectures = new int[count];
        fixed (int* first = architectures)
        {
            Check(Functions.nvrtcGetSupportedArchs(first));
        }

        Architectures = architectures;
    }

    /// <summary>The compiler's functions.</summary>
    public NvrtcFunctions Functions { get; }

    /// <summary>The library's file.</summary>
    public string Path { get; }

    /// <summary>The CUDA release it belongs to.</summary>
    public (int Major, int Minor) Version { get; }

    /// <summary>Architectures it compiles for, in ascending order: 90 is sm_90.</summary>
    public IReadOnlyList<int> Architectures { get; }

    /// <summary>Compiles a source to machine code.</summary>
    /// <param name="name">The source's name in messages.</param>
    /// <param name="source">CUDA C++.</param>
    /// <param name="headers">What the source may include, by the name between the quotes.</param>
    /// <param name="options">As on nvcc's command line; one is <c>--gpu-architecture=sm_90</c> or another architecture.</param>
    /// <returns>A cubin.</returns>
    /// <exception cref="NvrtcException">It does not compile; the message has the compiler's.</exception>
    /// <exception cref="ArgumentException">A text has a zero in it.</exception>
    public byte[] Compile(string name, string source, ReadOnlySpan<(string Name, string Text)> headers, ReadOnlySpan<string> options)
    {
        using var texts = new Utf8Texts(2 + (2 * headers.Length) + options.Length);
        byte** programTexts = texts.Pointers;
        texts.Add(source);
        texts.Add(name);
        foreach ((string _, string text) in headers)
        {
            texts.Add(text);
        }

        foreach ((string headerName, string _) in headers)
        {
            texts.Add(headerName);
        }

        foreach (string option in options)
        {
            texts.Add(option);
        }

        byte** headerTexts = programTexts + 2;
        using var program = new NvrtcProgram(this, programTexts[0], programTexts[1], headers.Length, headerTexts, headerTexts + headers.Length);
        program.Compile(options.Length, headerTexts + (2 * headers.Length));
        return program.Cubin();
    }

    /// <summary>Turns an error into an exception that names the function.</summary>
    internal void Check(int status, [CallerArgumentExpression(nameof(status))] string call = "", string log = "")
    {
        if (status != NvrtcStatus.Success)
        {
            string text = Marshal.PtrToStringUTF8((nint)Functions.nvrtcGetErrorString(status)) ?? "unknown status";
            string remedy = status == NvrtcStatus.BuiltinOperationFailure ? $"; libnvrtc-builtins must lie beside {Path}" : string.Empty;
            throw new NvrtcException(NativeCall.Function(call), status, text + remedy, log);
        }
    }

    // C strings, and the array of pointers to them that C functions take.
    private sealed class Utf8Texts(int capacity) : IDisposable
    {
        private int _count;

        public byte** Pointers { get; } = (byte**)NativeMemory.AllocZeroed((nuint)capacity, (nuint)sizeof(byte*));

        public void Add(string text)
        {
            if (text.Contains('\0', StringComparison.Ordinal))
            {
                throw new ArgumentException("A text for the compiler has a zero in it.", nameof(text));
            }

            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(_count, capacity);
            Pointers[_count++] = (byte*)Marshal.StringToCoTaskMemUTF8(text);
        }

        public void Dispose()
        {
            for (int i = 0; i < _count; i++)
            {
                Marshal.FreeCoTaskMem((nint)Pointers[i]);
            }

            NativeMemory.Free(Pointers);
        }
    }
}
