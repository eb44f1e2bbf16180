using NativeFfn.Bindings.Cuda;
using NUnit.Framework;

namespace NativeFfn.Tests.Software;

/// <summary>Every misuse of memory is seen and named.</summary>
[NonParallelizable]
public sealed unsafe class SoftwareMemoryTests
{
    [Test]
    public void Fresh_memory_is_NaN_in_every_format([Values] bool isPinned)
    {
        using var session = new SoftwareSession();
        using DeviceMemory memory = session.Context.Allocate(64);
        using PinnedMemory pinned = session.Context.AllocatePinned(64);
        byte[] bytes = isPinned ? new Span<byte>(pinned.Pointer, 64).ToArray() : session.Foreign.Read<byte>(memory.Region.Address, 64);
        Assert.That(bytes, Is.All.EqualTo(0xFF));
    }

    [Test]
    public void Addresses_are_aligned_to_256_bytes_and_no_more_and_never_come_again()
    {
        using var session = new SoftwareSession();
        var seen = new HashSet<nint>();
        for (int i = 0; i < 20; i++)
        {
            using DeviceMemory memory = session.Context.Allocate(1 + (i * 100));
            Assert.That(memory.Region.Address % 512, Is.EqualTo((nint)256));
            Assert.That(seen.Add(memory.Region.Address), Is.True);
        }

        session.End();
    }

    [Test]
    public void More_than_there_is_is_refused_and_the_memory_counts_what_is_used()
    {
        using var session = new SoftwareSession(new SoftwareDeviceOptions { MemoryBytes = 1000 });
        nint address;
        nuint free;
        nuint total;
        using DeviceMemory memory = session.Context.Allocate(600);
        Assert.That(session.Raw.cuMemAlloc_v2(&address, 401), Is.EqualTo(CudaResult.OutOfMemory));
        Assert.That(session.Raw.cuMemGetInfo_v2(&free, &total), Is.Zero);
        Assert.That((free, total), Is.EqualTo(((nuint)400, (nuint)1000)));
        session.Device.AssertNoViolations();
    }

    [Test]
    public void Freeing_what_is_none_or_was_freed_is_a_violation()
    {
        using var session = new SoftwareSession();
        nint address;
        session.Raw.cuMemAlloc_v2(&address, 16);
        session.AssertViolation(session.Raw.cuMemFree_v2(address + 8), CudaResult.InvalidValue, "never allocated");
        Assert.That(session.Raw.cuMemFree_v2(address), Is.Zero);
        session.AssertViolation(session.Raw.cuMemFree_v2(address), CudaResult.InvalidValue, "freed before");
        session.AssertViolation(session.Raw.cuMemFreeHost((void*)123), CudaResult.InvalidValue, "never allocated");
        session.End();
    }

    [Test]
    public void Copies_that_leave_their_allocation_are_violations()
    {
        using var session = new SoftwareSession();
        using DeviceMemory memory = session.Context.Allocate(16);
        byte* host = stackalloc byte[64];
        nint address = memory.Region.Address;
        Assert.Multiple(() =>
        {
            session.AssertViolation(session.Raw.cuMemcpyHtoDAsync_v2(address, host, 17, 0), CudaResult.InvalidValue, "17 bytes at offset 0");
            session.AssertViolation(session.Raw.cuMemcpyHtoDAsync_v2(address - 1, host, 4, 0), CudaResult.InvalidValue, "in no allocation");
            session.AssertViolation(session.Raw.cuMemcpyDtoHAsync_v2(host, (nint)host, 4, 0), CudaResult.InvalidValue, "in no allocation");
            session.AssertViolation(session.Raw.cuMemcpyHtoDAsync_v2(address, (void*)address, 4, 0), CudaResult.InvalidValue,
                "in the place of host memory");
            session.AssertViolation(session.Raw.cuMemcpyDtoDAsync_v2(address + 4, address, 8, 0), CudaResult.InvalidValue, "overlap");
            session.AssertViolation(session.Raw.cuMemsetD8Async(address + 8, 0, 9, 0), CudaResult.InvalidValue, "9 bytes at offset 8");
        });
    }

    [Test]
    public void Memory_freed_before_queued_work_ran_takes_the_context_away()
    {
        using var session = new SoftwareSession();
        byte* host = stackalloc byte[16];
        nint address;
        session.Raw.cuMemAlloc_v2(&address, 16);
        session.Raw.cuMemcpyHtoDAsync_v2(address, host, 16, 0);
        session.Raw.cuMemFree_v2(address);
        session.AssertViolation(session.Raw.cuCtxSynchronize(), CudaResult.IllegalAddress, "which was freed");
        Assert.That(session.Raw.cuMemAlloc_v2(&address, 16), Is.EqualTo(CudaResult.IllegalAddress), "every later call");
    }

    [Test]
    public void Pinned_memory_freed_before_queued_work_ran_is_a_violation()
    {
        using var session = new SoftwareSession();
        using DeviceMemory memory = session.Context.Allocate(16);
        void* pinned;
        session.Raw.cuMemHostAlloc(&pinned, 16, 1);
        session.Raw.cuMemcpyHtoDAsync_v2(memory.Region.Address, pinned, 16, 0);
        session.AssertViolation(session.Raw.cuMemFreeHost(pinned), 0, "before cuMemcpyHtoDAsync_v2");
    }

    [Test]
    public void What_writes_past_pinned_memory_is_found_when_it_is_freed()
    {
        using var session = new SoftwareSession();
        void* pinned;
        session.Raw.cuMemHostAlloc(&pinned, 16, 1);
        ((byte*)pinned)[16] = 0;
        session.AssertViolation(session.Raw.cuMemFreeHost(pinned), 0, "guard");
    }

    [Test]
    public void What_is_not_freed_is_reported_with_its_bytes()
    {
        using var session = new SoftwareSession();
        nint address;
        void* pinned;
        nint made;
        session.Raw.cuMemAlloc_v2(&address, 16);
        session.Raw.cuMemHostAlloc(&pinned, 32, 0);
        session.Raw.cuStreamCreate(&made, 1);
        session.Raw.cuEventCreate(&made, 0);
        string leaks = string.Join('\n', session.Device.Leaks());
        Assert.Multiple(() =>
        {
            foreach (string leak in (string[])["16 bytes", "32 bytes", "a Stream", "a Event", "retained 1 times", "1 contexts left"])
            {
                Assert.That(leaks, Does.Contain(leak));
            }

            Assert.That(session.Device.AssertClean, Throws.TypeOf<MultipleAssertException>());
        });
    }

    [Test]
    public void A_test_s_own_memory_is_not_reported_and_not_to_be_freed()
    {
        using var session = new SoftwareSession();
        nint address = session.Foreign.Allocate<float>([1, 2, 3]);
        session.AssertViolation(session.Raw.cuMemFree_v2(address), CudaResult.InvalidValue, "not the product's");
        Assert.That(session.Foreign.Read<float>(address + 4, 2), Is.EqualTo((float[])[2, 3]));
        session.End();
    }
}
