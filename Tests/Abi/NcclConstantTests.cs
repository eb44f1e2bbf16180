using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NativeFfn.Bindings.Nccl;
using NUnit.Framework;

namespace NativeFfn.Tests.Abi;

/// <summary>Structures and values of nccl.h, as numbers, so that a slip of the pen in Bindings is seen without a GPU.</summary>
public sealed class NcclConstantTests
{
    [Test]
    public void Structures_have_the_layout_of_nccl_h()
    {
        Assert.Multiple(() =>
        {
            Assert.That(Unsafe.SizeOf<NcclUniqueId>(), Is.EqualTo(128));
            Assert.That(Unsafe.SizeOf<NcclConfig>(), Is.EqualTo(24), "ncclConfig_v21400");
            Assert.That(Offset(nameof(NcclConfig.Size)), Is.Zero);
            Assert.That(Offset(nameof(NcclConfig.Magic)), Is.EqualTo(8));
            Assert.That(Offset(nameof(NcclConfig.Version)), Is.EqualTo(12));
            Assert.That(Offset(nameof(NcclConfig.Blocking)), Is.EqualTo(16));
        });

        static int Offset(string field) => (int)Marshal.OffsetOf<NcclConfig>(field);
    }

    [Test]
    public void A_communicator_is_asked_not_to_wait_in_the_words_of_2_14()
    {
        NcclConfig config = NcclConfig.NonBlocking;
        Assert.That((config.Size, config.Magic, config.Version, config.Blocking), Is.EqualTo(((nuint)24, 0xcafebeef, 21400u, 0)));
    }

    [Test]
    public void Values_are_those_of_nccl_h() => Assert.Multiple(() =>
    {
        Assert.That(Array.ConvertAll(Enum.GetValues<NcclDataType>(), static type => (int)type), Is.EqualTo(new[] { 7 }), "ncclFloat32 alone");
        Assert.That(Array.ConvertAll(Enum.GetValues<NcclReduction>(), static one => (int)one), Is.EqualTo(new[] { 0 }), "ncclSum alone");
        Assert.That((NcclStatus.Success, NcclStatus.InProgress), Is.EqualTo((0, 7)));
    });
}
