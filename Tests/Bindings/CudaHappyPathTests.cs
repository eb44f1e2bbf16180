using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;
using NUnit.Framework;

namespace NativeFfn.Tests.Software;

/// <summary>Everything that a forward needs, once, through the real handles.</summary>
[NonParallelizable]
public sealed unsafe class HappyPathTests
{
    [Test]
    public void A_kernel_and_a_product_run_and_leave_nothing_behind()
    {
        using SoftwareDevice device = SoftwareDevice.Start();
        var libraries = new CudaLibraries(device.Driver, device.CuBlasLt, device.Nvrtc);
        using (var context = CudaContext.RetainPrimary(libraries.Driver, libraries.Driver.Device(0)))
        using (CudaContext.Scope scope = context.Enter())
        using (CudaStream stream = context.CreateStream())
        using (CuBlasLtHandle handle = libraries.CuBlasLt.CreateHandle(context))
        using (DeviceMemory memory = context.Allocate(4096))
        using (CudaModule module = context.LoadModule(libraries.Nvrtc.Compile(
            "kernels.cu", "void f();", [], ["--gpu-architecture=sm_90", "-DNATIVEFFN_F32"])))
        {
            // 16 tokens of 16 numbers are prepared and multiplied by twice the identity.
            float* values = stackalloc float[512];
            for (int i = 0; i < 256; i++)
            {
                values[i] = i;
                values[256 + i] = i % 17 == 0 ? 2 : 0;
            }

            DeviceRegion input = memory.Region.Slice(0, 1024);
            DeviceRegion prepared = memory.Region.Slice(1024, 1024);
            DeviceRegion weights = memory.Region.Slice(2048, 1024);
            DeviceRegion output = memory.Region.Slice(3072, 1024);
            stream.CopyToDevice(values, input);
            stream.CopyToDevice(values + 256, weights);
            var argument = new PrepareArgument
            {
                Input = input.Address, InputStride = 16, Output = prepared.Address, OutputStride = 16, Width = 16, PaddedWidth = 16,
            };
            stream.Launch(module.Kernel("prepare_operand"), new LaunchShape(16, 1, 256), &argument);
            var shape = new MatmulShape
            {
                Rows = 16, Columns = 16, Tokens = 16, WeightStride = 16, InputStride = 16, OutputStride = 16, Operand = CudaDataType.Float32,
                Output = CudaDataType.Float32, Compute = CublasComputeType.Float32, Epilogue = CublasLtEpilogue.Default, AlignmentBytes = 256,
            };
            using var product = Matmul.Create(libraries.CuBlasLt, shape);
            var found = new MatmulAlgorithm[8];
            Assert.That(product.Find(handle, 0, found), Is.EqualTo(1));
            product.Run(handle, found[0], weights, prepared, default, output, default, stream);
            float* result = stackalloc float[256];
            result[255] = -1;
            stream.CopyToHost(output, result);
            Assert.That(result[255], Is.EqualTo(-1), "nothing has waited yet");
            stream.Synchronize();
            Assert.That(new Span<float>(result, 256).ToArray(), Is.EqualTo(Enumerable.Range(0, 256).Select(static i => 2f * i)));
        }

        device.AssertClean();
        Assert.That(device.Executed.Select(static launch => launch.Name), Is.EqualTo((string[])
            ["cuMemcpyHtoDAsync_v2", "cuMemcpyHtoDAsync_v2", "prepare_operand", "cublasLtMatmul", "cuMemcpyDtoHAsync_v2"]));
    }
}
