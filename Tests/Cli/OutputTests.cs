using System.Diagnostics;
using NativeFfn.Checkpoints;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Cli;

/// <summary>Where the command's files go to and come from, as a shell's user expects it: pipes, devices, links, mounts, permissions.</summary>
[Platform("Linux")]
[Category(Needs.Sdk)]
public sealed class OutputTests
{
    private const int Interrupted = 130;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    // openat(2) of x64 and of arm64.
    private static readonly string[] OpenCalls = ["257 ", "56 "];

    private CommandFolder _folder = null!;

    [SetUp]
    public void MakeCheckpoint()
    {
        _folder = new CommandFolder();
        _folder.Checkpoint();
        Shell("$nf --output expected > log; rm log");
    }

    [TearDown]
    public void RemoveFolder() => _folder.Dispose();

    [TestCase("INT")]
    [TestCase("TERM")]
    public void A_signal_ends_the_wait_for_a_pipes_reader(string signal)
    {
        using Process process = Start($"mkfifo pipe; env --default-signal={signal} $nf --output pipe --trace trace & echo $!; wait $!");
        string child = process.StandardOutput.ReadLine()!;
        string[] before = [];
        Assert.That(
            () => before.Intersect(before = [.. OpenCallsOf(child)]).Any(), Is.True.After(60_000, 300), "the command waits for a reader");
        End(process, signal, child);
    }

    [Test]
    public void A_signal_ends_the_wait_for_a_reader_that_has_stopped()
    {
        // More than a pipe holds.
        _folder.TensorFile("big", "input", "F32", 10_000, 24);
        using Process process = Start(
            "mkfifo pipe; $of --input big --output pipe --trace trace & exec 3< pipe; head -c 8 <&3 > start; echo $!; wait $!");
        End(process, "TERM", process.StandardOutput.ReadLine()!);
    }

    [Test]
    public void Standard_output_is_appended_to_and_has_the_tensors_alone()
    {
        Shell("(echo first; $nf --output /dev/stdout 2> report; echo last) > log; $nf --output /dev/stdout >> log 2> /dev/null; $nf --output /dev/fd/1 2> /dev/null | cat > through");
        byte[] expected = File.ReadAllBytes(_folder["expected"]);
        Assert.That(File.ReadAllBytes(_folder["log"]), Is.EqualTo((byte[])[.. "first\n"u8, .. expected, .. "last\n"u8, .. expected]));
        Assert.That(File.ReadAllBytes(_folder["through"]), Is.EqualTo(expected));
        Assert.That(File.ReadAllText(_folder["report"]), Does.Contain("ffn of 3 tokens"));
    }

    [TestCase("bench --shape 8x8 --tokens 1 --seconds 0.01 --backend managed --json /dev/stdout")]
    [TestCase("bench --shape 8x8 --tokens 1 --seconds 0.01 --backend managed --json -")]
    public void A_benchs_JSON_on_standard_output_is_alone_there(string words) =>
        Assert.That(Shell($"$command {words}").Trim(), Does.StartWith("{").And.EndWith("}"));

    [Test]
    public void Rows_may_come_through_a_pipe()
    {
        Shell("cat model/input.safetensors | $of --input /dev/stdin --output piped; $of --input /dev/stdin --output redirected < model/input.safetensors");
        foreach (string name in new[] { "piped", "redirected" })
        {
            Assert.That(File.ReadAllBytes(_folder[name]), Is.EqualTo(File.ReadAllBytes(_folder["expected"])), name);
        }

        Assert.That(Shell("echo no tensors | $of --input /dev/stdin --output out 2>&1; echo $?"), Does.Contain("/dev/stdin").And.EndsWith("2\n"));
    }

    [Test]
    public void A_replaced_file_keeps_its_mode_and_a_new_one_gets_the_usual()
    {
        Assert.That(
            Shell("umask 027; touch o; chmod 604 o; $nf --output o > log; $nf --output n > log; stat -c %a o n; cmp o expected"),
            Is.EqualTo("604\n640\n"));
    }

    [Test]
    public void A_replaced_file_keeps_its_owner()
    {
        RequireRoot();
        Assert.That(Shell("touch o; chown 1234:56 o; chmod 6750 o; $nf --output o > log; stat -c '%u %g %a' o"), Is.EqualTo("1234 56 6750\n"));
    }

    [Test]
    public void A_file_of_two_names_stays_one()
    {
        Assert.That(
            Shell("echo something longer than nothing > o; ln o other; $nf --output o > log; cmp other expected; stat -c %h other; ls -A"),
            Does.StartWith("2\n").And.Not.Contain(".nativeffn"));
    }

    [Test]
    public void A_file_that_may_not_be_written_is_not_replaced()
    {
        RequireRoot();
        Shell("chmod 777 . ; echo mine > o; chmod 444 o");
        Assert.That(Shell("setpriv --reuid 65534 --clear-groups $nf --output o 2>&1; echo $?; cat o; ls -A"), Does.Match(@"(?s)o: cannot be written: .*\n2\nmine\n").And.Not.Contain(".nativeffn"));
    }

    [Test]
    public void A_file_in_a_folder_that_takes_no_others_is_written_in_place()
    {
        RequireRoot();
        Shell("chmod 755 .; mkdir closed; touch closed/o; chmod 666 closed/o");
        Assert.That(Shell("setpriv --reuid 65534 --clear-groups $nf --output closed/o; cmp closed/o expected; ls -A closed"), Does.EndWith("\no\n"));
    }

    [Test]
    public void A_mounted_file_is_written_in_place()
    {
        RequireRoot();
        Shell("echo a longer text than the tensors take, so that it has to be cut to their length ................................................................... > a; touch b");
        if (Shell("unshare -m mount --bind a b 2> /dev/null || echo refused").Length > 0)
        {
            Assert.Ignore("This machine lets nobody mount.");
        }

        Assert.That(Shell("unshare -m sh -c \"mount --bind a b; $nf --output b > log\"; cmp a expected; ls -A"), Does.Not.Contain(".nativeffn"));
    }

    [TestCase("--output", "model/model.safetensors", "model/model.safetensors")]
    [TestCase("--output", "link", "model/config.json")]
    [TestCase("--trace", "hard", "model/model.safetensors")]
    public void A_file_of_the_model_is_not_written_over(string option, string path, string named)
    {
        Shell("ln -s model/config.json link; ln model/model.safetensors hard; cat model/* | md5sum > sum");
        CommandRun.Of(
            ["forward", "--model", _folder["model"], "--input", _folder["model/input.safetensors"], option, _folder[path], .. option == "--trace" ? new[] { "--output", _folder["o"] } : []])
            .ShouldRefuse(option, _folder[named], "name another");
        Assert.That(Shell("cat model/* | md5sum | cmp - sum; ls -A"), Does.Not.Contain("o\n"));
    }

    [TestCase("model/model.safetensors")]
    [TestCase("model/config.json")]
    [TestCase("model/input.safetensors")]
    [TestCase("o")]
    public void A_lock_of_somebody_else_stops_nothing(string file) =>
        Assert.That(Shell($"echo old > o; flock {file} $nf --output o > log; cmp o expected; echo $?"), Is.EqualTo("0\n"));

    [TestCase(30)]
    [TestCase(40)]
    [TestCase(56)]
    [TestCase(72)]
    public void Too_few_open_files_are_one_error(int files) => Assert.That(
        Shell($"ulimit -n {files}; $nf --output o 2>&1; echo $?"), Does.Match(@"\Anativeffn: error: [^\n]*ulimit -n[^\n]*\n2\n\z"));

    [Test]
    public void Too_few_threads_are_no_lack_of_memory()
    {
        RequireRoot();
        Shell("chmod 755 . model; chmod 644 model/*");
        Assert.That(
            Shell("setpriv --reuid 65534 --clear-groups prlimit --nproc=60 $nf --threads 200 --output /dev/null 2>&1; echo $?"),
            Does.Match(@"\Anativeffn: error: [^\n]*Thread \d+ of 200[^\n]*ulimit -u[^\n]*--threads[^\n]*\n2\n\z").And.Not.Contain("memory"));
    }

    [Test]
    [Category("Mkl")]
    public void What_MKL_prints_does_not_stand_in_the_JSON()
    {
        MklUnderTest.Load();
        Assert.That(Shell("MKL_VERBOSE=1 $command verify --model model --json 2> log").Trim(), Does.StartWith("{").And.EndsWith("}"));
        Assert.That(File.ReadAllText(_folder["log"]), Does.Contain("MKL_VERBOSE"), "it is still printed");
        Shell("MKL_VERBOSE=1 $command forward --backend mkl --model model --input model/input.safetensors --output /dev/stdout > o 2> log");
        Assert.That(_folder.Read("o")["output"].Shape, Is.EqualTo(new long[] { 3, 24 }));
    }

    [Test]
    public void Output_and_trace_are_two_files()
    {
        Shell("touch o; ln -s o link");
        CommandRun.Of(
            "forward", "--model", _folder["model"], "--input", _folder["model/input.safetensors"], "--output", _folder["o"], "--trace", _folder["link"])
            .ShouldRefuse("--trace", "--output", "two files");
    }

    [Test]
    public void A_commit_that_fails_leaves_no_temporary_file()
    {
        using (var file = new ReplacedFile(_folder["o"], 3))
        {
            file.Append("abc"u8);
            Directory.CreateDirectory(_folder["o/full"]);
            Assert.That(file.Commit, Throws.TypeOf<CheckpointException>().With.Message.Contains(_folder["o"]).And.Message.Contains("Nothing was kept"));
        }

        Assert.That(_folder.Entries, Is.EqualTo(new[] { "expected", "model", "o" }));
    }

    private static void RequireRoot()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            Assert.Ignore("Only root may give files away, mount them or become somebody else.");
        }
    }

    // With their arguments: one that is seen twice is the same call still.
    private static IEnumerable<string> OpenCallsOf(string process) => Directory.GetDirectories($"/proc/{process}/task")
        .Select(static task => File.ReadAllText(Path.Combine(task, "syscall"))).Where(static call => OpenCalls.Any(call.StartsWith));

    private void End(Process process, string signal, string child)
    {
        Shell($"kill -{signal} {child}");
        Assert.That(process.WaitForExit(Patience), Is.True, "the command ends");
        Assert.That(process.ExitCode, Is.EqualTo(Interrupted));
        Assert.That(_folder.Entries, Has.None.EqualTo("trace").And.None.StartsWith(".nativeffn"));
    }

    // $nf is a forward that wants an output yet, $of one that wants an input too.
    private Process Start(string script)
    {
        string command = $"dotnet {Path.Combine(AppContext.BaseDirectory, "NativeFfn.Cli.dll")}";
        var start = new ProcessStartInfo("sh", ["-c", script])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = _folder["."],
        };
        start.Environment["command"] = command;
        start.Environment["of"] = $"{command} forward --backend managed --model model";
        start.Environment["nf"] = start.Environment["of"] + " --input model/input.safetensors";
        return Process.Start(start)!;
    }

    private string Shell(string script)
    {
        using Process process = Start(script);
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        Assert.That(process.WaitForExit(Patience), Is.True, script);
        Assert.That(error.GetAwaiter().GetResult(), Is.Empty, script);
        return output;
    }
}
