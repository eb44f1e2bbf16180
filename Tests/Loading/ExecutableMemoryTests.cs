using System.Globalization;
using System.Runtime.InteropServices;
using NativeFfn.Bindings.Memory;
using NUnit.Framework;

namespace NativeFfn.Tests.Loading;

/// <summary>Memory with machine code in it: it runs, and can be written at no address.</summary>
public sealed unsafe class ExecutableMemoryTests
{
    // mov eax, 42; ret
    private static readonly byte[] FortyTwo = [0xB8, 42, 0, 0, 0, 0xC3];

    [Test]
    public void Code_runs()
    {
        RequireX64();
        using ExecutableMemory memory = ExecutableMemory.Of(FortyTwo);
        Assert.That(((delegate* unmanaged<int>)memory.Start)(), Is.EqualTo(42));
    }

    [Test]
    [Platform("Linux")]
    public void It_is_executable_and_not_writable_and_gone_when_disposed()
    {
        RequireX64();
        ExecutableMemory memory = ExecutableMemory.Of(FortyTwo);
        nint start = (nint)memory.Start;
        Assert.That(AccessOf(start), Is.EqualTo("r-xp"));
        memory.Dispose();
        Assert.That(AccessOf(start), Is.Null);
    }

    [Test]
    public void Nothing_is_no_code() => Assert.That(static () => ExecutableMemory.Of([]), Throws.TypeOf<ArgumentOutOfRangeException>());

    private static void RequireX64()
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            Assert.Ignore("The code is x86-64.");
        }
    }

    private static string? AccessOf(nint address)
    {
        string start = address.ToString("x", CultureInfo.InvariantCulture);
        string? line = File.ReadLines("/proc/self/maps").FirstOrDefault(line => line.TrimStart('0').StartsWith($"{start}-", StringComparison.Ordinal));
        return line?.Split(' ')[1];
    }
}
