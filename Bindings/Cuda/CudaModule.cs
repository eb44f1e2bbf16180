using System.Text;

namespace NativeFfn.Bindings.Cuda;

/// <summary>Compiled kernels in a context.</summary>
internal sealed unsafe class CudaModule : CudaResource
{
    internal CudaModule(CudaContext context, ReadOnlySpan<byte> image)
        : base(context, CudaKind.Module)
    {
        if (image.IsEmpty)
        {
            throw new ArgumentException("A module of no bytes was given.", nameof(image));
        }

        // PTX is text, which a zero must end; to a cubin the zero means nothing.
        byte[] ended = new byte[image.Length + 1];
        image.CopyTo(ended);
        using CudaContext.Scope scope = context.Enter();
        nint module = 0;
        fixed (byte* data = ended)
        {
            context.Check(Functions.cuModuleLoadData(&module, data));
        }

        Own(module);
    }

    /// <summary>Finds a kernel, whose code may be loaded at its first launch only.</summary>
    /// <param name="name">The name without C++ decoration.</param>
    /// <exception cref="CudaException">There is none: <see cref="CudaStatus.NotFound"/>.</exception>
    public CudaKernel Kernel(string name)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(name + '\0');
        using CudaContext.Scope scope = Context.Enter();
        nint function = 0;
        fixed (byte* text = utf8)
        {
            Context.Check(Functions.cuModuleGetFunction(&function, Handle, text));
        }

        return new CudaKernel(this, function, name);
    }

    /// <inheritdoc/>
    protected override void Free(nint made) => Context.NoteFree(Functions.cuModuleUnload(made), nameof(Functions.cuModuleUnload));
}

/// <summary>One kernel of a module; it lives as long as the module does.</summary>
internal sealed class CudaKernel
{
    private readonly nint _function;

    internal CudaKernel(CudaModule module, nint function, string name) => (Module, _function, Name) = (module, function, name);

    /// <summary>The module it is in.</summary>
    public CudaModule Module { get; }

    /// <summary>Its name in the source.</summary>
    public string Name { get; }

    /// <summary>CUfunction.</summary>
    /// <exception cref="ObjectDisposedException">The module was disposed.</exception>
    public nint Function
    {
        get
        {
            ObjectDisposedException.ThrowIf(Module.IsClosed, Module);
            return _function;
        }
    }
}
