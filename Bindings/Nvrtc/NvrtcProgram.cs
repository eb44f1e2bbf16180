using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.Nvrtc;

/// <summary>nvrtcProgram: one source on its way through the compiler.</summary>
internal sealed unsafe class NvrtcProgram : SafeHandle
{
    private readonly NvrtcCompiler _compiler;

    public NvrtcProgram(NvrtcCompiler compiler, byte* source, byte* name, int headerCount, byte** headers, byte** headerNames)
        : base(0, ownsHandle: true)
    {
        _compiler = compiler;
        nint program = 0;
        compiler.Check(compiler.Functions.nvrtcCreateProgram(&program, source, name, headerCount, headers, headerNames));
        SetHandle(program);
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Compiles, with what the compiler said in the exception where it fails.</summary>
    public void Compile(int optionCount, byte** options)
    {
        int status = _compiler.Functions.nvrtcCompileProgram(handle, optionCount, options);
        _compiler.Check(status, nameof(NvrtcFunctions.nvrtcCompileProgram), status == NvrtcStatus.Success ? string.Empty : Log());
    }

    /// <summary>The machine code.</summary>
    public byte[] Cubin()
    {
        nuint size = 0;
        _compiler.Check(_compiler.Functions.nvrtcGetCUBINSize(handle, &size));
        if (size == 0)
        {
            throw new NvrtcException(
                nameof(NvrtcFunctions.nvrtcGetCUBINSize), NvrtcStatus.InvalidOption,
                "no cubin was made: the options name no sm_ architecture", Log());
        }

        var cubin = new byte[checked((int)size)];
        fixed (byte* data = cubin)
        {
            _compiler.Check(_compiler.Functions.nvrtcGetCUBIN(handle, data));
        }

        return cubin;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        nint program = handle;
        return _compiler.Functions.nvrtcDestroyProgram(&program) == NvrtcStatus.Success;
    }

    private string Log()
    {
        nuint size = 0;
        if (_compiler.Functions.nvrtcGetProgramLogSize(handle, &size) != NvrtcStatus.Success || size == 0)
        {
            return string.Empty;
        }

        var log = new byte[checked((int)size)];
        fixed (byte* data = log)
        {
            return _compiler.Functions.nvrtcGetProgramLog(handle, data) == NvrtcStatus.Success
                ? System.Text.Encoding.UTF8.GetString(log).TrimEnd('\0', '\n')
                : string.Empty;
        }
    }
}
