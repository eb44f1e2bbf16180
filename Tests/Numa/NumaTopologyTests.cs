using System.Collections.Immutable;
using CsCheck;
using NativeFfn.Backends;
using NativeFfn.Backends.Cpu.Numa;
using NUnit.Framework;

namespace NativeFfn.Tests.Numa;

/// <summary>Lists of processors and the system's files on nodes, whatever they hold.</summary>
public sealed class NumaTopologyTests
{
    [TestCase("", "")]
    [TestCase("0", "0")]
    [TestCase("0-3,8\n", "0-3,8")]
    [TestCase("8,0-1,2", "0-2,8")]
    [TestCase("8191", "8191")]
    public void A_list_is_read(string text, string expected)
    {
        Assert.That(ProcessorList.TryParse(text, out ImmutableArray<int> processors), Is.True);
        Assert.That(ProcessorList.Of(processors), Is.EqualTo(expected));
    }

    [TestCase("x")]
    [TestCase(",")]
    [TestCase("0,")]
    [TestCase("-1")]
    [TestCase("3-1")]
    [TestCase("0-")]
    [TestCase("0-1-2")]
    [TestCase("1,1")]
    [TestCase("0-4,2")]
    [TestCase("8192")]
    [TestCase("0-99999999999")]
    [TestCase("0 1")]
    [TestCase("+1")]
    [TestCase("0-31:2/4")]
    public void What_is_no_list_is_refused(string text)
    {
        Assert.That(ProcessorList.TryParse(text, out ImmutableArray<int> processors), Is.False);
        Assert.That(processors, Is.Empty);
    }

    [Test]
    public void A_list_comes_back_as_it_went() => Gen.Int[0, ProcessorList.MaxProcessors - 1].HashSet[0, 60].Sample(numbers =>
    {
        ImmutableArray<int> sorted = [.. numbers.Order()];
        return ProcessorList.TryParse(ProcessorList.Of(sorted), out ImmutableArray<int> read) && read.SequenceEqual(sorted);
    });

    [Test]
    public void Any_text_is_read_or_refused() => Gen.Char["0123456789,- \nx\u00e9"].Array[0, 40].Sample(text =>
    {
        bool isRead = ProcessorList.TryParse(new string(text), out ImmutableArray<int> processors);
        return isRead || processors.IsEmpty;
    });

    [TestCase("auto", false, 0)]
    [TestCase("OFF", true, 0)]
    [TestCase("0-15/16-31", false, 2)]
    [TestCase("0/1/2,3", false, 3)]
    public void A_setting_is_read(string text, bool isOff, int nodes)
    {
        Assert.That(NumaSetting.TryParse(text, out NumaSetting setting), Is.True);
        Assert.That((setting.IsOff, setting.Nodes.Length), Is.EqualTo((isOff, nodes)));
    }

    [TestCase(null)]
    [TestCase("")]
    [TestCase("0-15")]
    [TestCase("0/")]
    [TestCase("/")]
    [TestCase("0/0")]
    [TestCase("0-3/3-4")]
    [TestCase("0|1")]
    [TestCase("on")]
    public void What_is_no_setting_is_refused_with_what_there_is(string? text)
    {
        Assert.That(NumaSetting.TryParse(text, out _), Is.False);
        Assert.That(
            () => FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed, Numa = text! }),
            Throws.TypeOf<ArgumentOutOfRangeException>()
                .With.Message.Contains("Numa must be auto, off, or each node's processors such as 0-15/16-31"));
    }

    [Test]
    public void Nodes_are_read_in_order_with_their_memory()
    {
        using var machine = new FakeMachine();
        machine.AddNode(10, "4-5\n", 4096);
        machine.AddNode(2, "0-3,6\n", 2048);

        // Memory alone, as of CXL, and what is no node.
        machine.AddNode(3, "\n", 8192);
        machine.Put("node/nodes/cpulist", "7");
        machine.Put("node/online", "0-1");
        ImmutableArray<SystemNode> nodes = NumaTopology.Read(machine.Nodes);
        Assert.That(
            nodes.Select(static node => (node.Id, ProcessorList.Of(node.Processors), node.MemoryBytes)),
            Is.EqualTo(new[] { (2, "0-3,6", 2048L << 10), (3, string.Empty, 8192L << 10), (10, "4-5", 4096L << 10) }));
    }

    [TestCase("x\n", "cpulist has 'x' in place of a list of processors")]
    [TestCase("0-3\n", "has processor 2 on two nodes")]
    public void Nodes_that_make_no_sense_are_refused(string processors, string message)
    {
        using var machine = new FakeMachine();
        machine.AddNode(0, "2");
        machine.AddNode(1, processors);
        Assert.That(() => NumaTopology.Read(machine.Nodes), Throws.TypeOf<InvalidDataException>().With.Message.Contains(message));
    }

    [Test]
    public void A_long_file_is_cut_and_a_missing_one_is_told()
    {
        using var machine = new FakeMachine();
        machine.AddNode(0, new string('9', 1 << 20));
        Assert.That(() => NumaTopology.Read(machine.Nodes), Throws.TypeOf<InvalidDataException>().With.Message.Length.LessThan(300));
        Assert.That(
            () => NumaTopology.Read(machine.Nodes + "s"), Throws.TypeOf<InvalidDataException>().With.Message.Contains("cannot be read"));
        Directory.CreateDirectory(Path.Combine(machine.Nodes, "node1"));
        machine.AddNode(0, "0");
        Assert.That(() => NumaTopology.Read(machine.Nodes), Throws.TypeOf<InvalidDataException>().With.Message.Contains("cannot be read"));
    }

    [TestCase("Name:\tx\nMems_allowed:\t1\nMems_allowed_list:\t0,2-3\n", "0,2-3")]
    [TestCase("Name:\tx\n", null)]
    [TestCase("Mems_allowed_list:\tall\n", null)]
    public void Memory_that_is_allowed_is_read(string status, string? expected)
    {
        using var machine = new FakeMachine();
        Assert.That(NumaTopology.AllowedMemory(machine.Status), Is.Null);
        machine.Put("status", status);
        Assert.That(NumaTopology.AllowedMemory(machine.Status) is { } nodes ? ProcessorList.Of(nodes) : null, Is.EqualTo(expected));
    }

    [TestCase("1\n", true)]
    [TestCase("2\n", true)]
    [TestCase("0\n", false)]
    [TestCase("", false)]
    public void Balancing_by_the_kernel_is_read(string text, bool expected)
    {
        using var machine = new FakeMachine();
        Assert.That(NumaTopology.IsBalanced(machine.Balancing), Is.False);
        machine.Put("numa_balancing", text);
        Assert.That(NumaTopology.IsBalanced(machine.Balancing), Is.EqualTo(expected));
    }
}
