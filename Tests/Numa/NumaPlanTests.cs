using NativeFfn.Backends;
using NativeFfn.Backends.Cpu.Numa;
using NUnit.Framework;

namespace NativeFfn.Tests.Numa;

/// <summary>Which nodes an engine takes, how threads are divided among them, and what it says where it takes none.</summary>
public sealed class NumaPlanTests
{
    // Processors and memory as in a server of two sockets with two threads a core.
    private static FakeMachine Server(params int[] allowed)
    {
        var machine = new FakeMachine { Processors = [.. allowed] };
        machine.AddNode(0, "0-3,8-11\n");
        machine.AddNode(1, "4-7,12-15\n");
        machine.AddNode(2, "\n");
        machine.Put("status", "Mems_allowed_list:\t0-2\n");
        return machine;
    }

    private static int[] All => [.. Enumerable.Range(0, 16)];

    [TestCase(16, "8,8")]
    [TestCase(8, "4,4")]
    [TestCase(3, "2,1")]
    [TestCase(2, "1,1")]
    public void Threads_are_divided_by_processors(int threads, string expected)
    {
        using FakeMachine machine = Server(All);
        NumaPlan plan = Plan(machine, threads);
        Assert.That(Threads(plan), Is.EqualTo(expected));
        NumaReport report = plan.ReportOf(null);
        Assert.That((report.Reason, report.Problem), Is.EqualTo(((string?)null, (string?)null)));
        Assert.That(report.Nodes.Select(static node => node.Processors), Is.EqualTo(new[] { "0-3,8-11", "4-7,12-15" }));
        Assert.That(
            report.ToString(), Does.StartWith("node 0: processors 0-3,8-11, ").And.Contain(", 1 GiB; node 1: processors 4-7,12-15, "));
        Assert.That(plan.Nodes.Select(static node => node.SystemNodes.Single()), Is.EqualTo(new[] { 0, 1 }));
    }

    [Test]
    public void A_containers_processors_alone_count()
    {
        using FakeMachine machine = Server(1, 2, 3, 4);
        NumaPlan plan = Plan(machine, 4);
        Assert.That(Threads(plan), Is.EqualTo("3,1"));
        Assert.That(plan.Nodes.Select(static node => ProcessorList.Of(node.Processors)), Is.EqualTo(new[] { "1-3", "4" }));
    }

    [Test]
    public void More_nodes_than_threads_leave_some_out([Values(2, 3, 4, 5)] int threads)
    {
        using var machine = new FakeMachine { Processors = [.. Enumerable.Range(0, 64)] };
        for (int node = 0; node < 8; node++)
        {
            machine.AddNode(node, $"{8 * node}-{(8 * node) + 7}");
        }

        NumaPlan plan = Plan(machine, threads);
        Assert.That(plan.Nodes.Sum(static node => node.Threads), Is.EqualTo(threads));
        Assert.That(plan.Nodes.Select(static node => node.Threads), Is.All.EqualTo(1));
        Assert.That(plan.Nodes[^1].EndThread, Is.EqualTo(threads));
    }

    [TestCase("auto", 1, "a forward has one thread, which is the caller's")]
    [TestCase("off", 4, "the options say off")]
    public void Nothing_is_bound_where_there_is_nothing_to_bind(string numa, int threads, string reason)
    {
        using FakeMachine machine = Server(All);
        AssertOff(Plan(machine, threads, numa), threads, reason);
        Assert.That(machine.Bound, Is.Empty);
    }

    [Test]
    public void One_node_is_left_alone_however_it_comes_about()
    {
        using FakeMachine container = Server(4, 5, 12);
        AssertOff(Plan(container, 3), 3, "this process has processors of one node");
        using var machine = new FakeMachine { Processors = [0, 1] };
        machine.AddNode(0, "0-1");
        AssertOff(Plan(machine, 2), 2, "this process has processors of one node");
        Assert.That(machine.Bound, Is.Empty);
    }

    [Test]
    public void A_machine_without_files_on_nodes_runs_and_says_so()
    {
        using var machine = new FakeMachine { Processors = [0, 1] };
        AssertOff(Plan(machine, 2), 2, $"the system tells of no nodes, as there is no {machine.Nodes}");
        Directory.CreateDirectory(machine.Nodes);
        AssertOff(Plan(machine, 2), 2, "this process has processors of one node");
        machine.AddNode(0, "?");
        AssertRefused(Plan(machine, 2), "cpulist has '?' in place of a list of processors");
        File.Delete(Path.Combine(machine.Nodes, "node0", "cpulist"));
        AssertRefused(Plan(machine, 2), "threads are not bound to nodes: the nodes in ");
    }

    [Test]
    public void A_refusal_to_bind_is_told_and_the_engine_runs()
    {
        using FakeMachine machine = Server(All) with { BindError = 1 };
        AssertRefused(Plan(machine, 4), "threads are not bound to nodes: sched_setaffinity: Operation not permitted");
        AssertRefused(Plan(machine, 4, "0/1"), "threads are not bound to nodes: sched_setaffinity: Operation not permitted");
    }

    [Test]
    public void Processors_that_are_named_are_taken_as_they_are()
    {
        using FakeMachine machine = Server(All);
        NumaPlan plan = Plan(machine, 3, "5,0-2/6");
        Assert.That(
            plan.Nodes.Select(static node => (node.Threads, ProcessorList.Of(node.Processors))),
            Is.EqualTo(new[] { (2, "0-2,5"), (1, "6") }));
        Assert.That(plan.ReportOf(null).Nodes.Select(static node => node.Name), Is.EqualTo(new[] { "0,1", "1" }));

        // Without files on nodes nothing is known of them.
        using var bare = new FakeMachine { Processors = [0, 1] };
        NumaReport report = Plan(bare, 2, "0/1").ReportOf(null);
        Assert.That(report.Nodes.Select(static node => (node.Name, node.MemoryBytes)), Is.All.EqualTo(("?", 0L)));
    }

    [Test]
    public void Processors_that_this_process_may_not_use_are_an_error()
    {
        using FakeMachine machine = Server(0, 1, 2, 3);
        BackendUnavailableException? refused = Assert.Throws<BackendUnavailableException>(() => Plan(machine, 2, "0-1/3-5"));
        Assert.That(refused!.Message, Does.Contain("Numa (--numa) names processors 4-5").And.Contain("may use 0-3 alone"));
    }

    [Test]
    public void Other_systems_say_that_nothing_is_bound()
    {
        var machine = new OtherSystem();
        AssertOff(NumaPlan.Of(Options(machine, 4, "auto"), BackendKind.Managed), 4, "NUMA nodes are used on Linux alone");
        Assert.That(
            () => NumaPlan.Of(Options(machine, 4, "0/1"), BackendKind.Managed),
            Throws.TypeOf<BackendUnavailableException>().With.Message.Contains("on Linux alone. Leave it out, or set it to off."));
    }

    [Test]
    public void Memory_that_is_forbidden_or_moved_is_told()
    {
        using FakeMachine machine = Server(All);
        machine.Put("status", "Mems_allowed_list:\t0\n");
        machine.Put("numa_balancing", "1\n");
        NumaReport report = Plan(machine, 4).ReportOf("sched_setaffinity: x");
        Assert.That(report.Problem, Is.EqualTo(
            "this process may not use the memory of node 1 (Mems_allowed_list), so weights lie elsewhere; the kernel moves pages too, "
            + "which costs time; kernel.numa_balancing=0 leaves them; some threads are not bound (sched_setaffinity: x)"));
    }

    [Test]
    public void Threads_that_are_not_named_are_as_many_as_processors_that_are()
    {
        Assert.That(new FfnEngineOptions { Numa = "0/1" }.Resolve().Threads, Is.EqualTo(Math.Min(2, Environment.ProcessorCount)));
        Assert.That(new FfnEngineOptions { Numa = "0/1", Threads = 5 }.Resolve().Threads, Is.EqualTo(5));
        Assert.That(new FfnEngineOptions().Resolve().Threads, Is.EqualTo(Environment.ProcessorCount));
    }

    private static NumaPlan Plan(FakeMachine machine, int threads, string numa = "auto") =>
        NumaPlan.Of(Options(machine, threads, numa), BackendKind.Managed);

    private static FfnEngineOptions Options(NumaSystem machine, int threads, string numa) =>
        new() { Threads = threads, Numa = numa, NumaSystem = machine };

    private static string Threads(NumaPlan plan) => string.Join(',', plan.Nodes.Select(static node => node.Threads));

    private static void AssertOff(NumaPlan plan, int threads, string reason)
    {
        Assert.That((plan.IsBound, Threads(plan)), Is.EqualTo((false, $"{threads}")));
        Assert.That((plan.ReportOf(null).Reason, plan.ReportOf(null).Problem), Is.EqualTo((reason, (string?)null)));
    }

    private static void AssertRefused(NumaPlan plan, string problem)
    {
        Assert.That(plan.IsBound, Is.False);
        Assert.That(plan.ReportOf(null).Reason, Is.Null);
        Assert.That(plan.ReportOf(null).Problem, Does.Contain(problem));
    }

    private sealed record OtherSystem : NumaSystem
    {
        public override bool IsKnown => false;
    }
}
