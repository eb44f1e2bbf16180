using NUnit.Framework;

namespace NativeFfn.Tests.Cli;

/// <summary>Bad usage is refused in one line that names the option, the word and what was expected; nothing else is printed.</summary>
public sealed class UsageTests
{
    [TestCase("", "Required command", "nativeffn --help")]
    [TestCase("forwrad", "'forwrad'", "info, forward, layers, verify, bench, plan, init, convert")]
    [TestCase("forwrad", "Did you mean forward?")]
    [TestCase("bench --tokns 3", "'--tokns'", "Did you mean --tokens?")]
    [TestCase("completion csh", "'csh'", "bash, zsh, fish, pwsh")]
    [TestCase("forward", "--model", "required", "nativeffn forward --help")]
    [TestCase("forward --model m --output o", "--input", "required")]
    [TestCase("forward --model m --input i --output o --layer -1", "--layer", "'-1'", "from 0")]
    [TestCase("forward --model m --input i --output o --layer two", "--layer", "'two'")]
    [TestCase("forward --model m --input i --output o --layer 1 --layer 2", "--layer")]
    [TestCase("forward --model m --input i --output o --layer 99999999999", "--layer", "'99999999999'")]
    [TestCase("forward --model m --input i --output o --mode whole", "--mode", "'whole'", "ffn, residual, block")]
    [TestCase("forward --model m --input i --output o --backend blas", "--backend", "'blas'", "auto, mkl, managed, cublas, reference")]
    [TestCase("forward --model m --input i --output o --kernel blas", "--kernel", "'blas'", "auto, sgemm, panels")]
    [TestCase("forward --model m --input i --output o --precision int5", "--precision", "'int5'", "one of auto, stored, f32, bf16, f16, int8, int4")]
    [TestCase("forward --model m --input i --output o --precision f32,int8", "--precision", "'f32,int8'")]
    [TestCase("forward --model m --input i --output o --threads -1", "--threads", "'-1'", "1 to 1024")]
    [TestCase("forward --model m --input i --output o --what", "--what")]
    [TestCase("verify", "--model", "required")]
    [TestCase("verify --model m --tokens 0", "--tokens", "'0'")]
    [TestCase("verify --model m --precision f8", "--precision", "'f8'", "f32, bf16, f16, int8, int4, w8a8, w4a8, tf32, fp8")]
    [TestCase("verify --model m --require mkl,auto", "--require", "'mkl,auto'", "one or several of mkl, managed, cublas, reference")]
    [TestCase("bench --precision f32,f8", "--precision", "'f32,f8'", "one or several of auto, stored, f32, bf16, f16, int8, int4, w8a8, w4a8, tf32, fp8")]
    [TestCase("bench --precision f32,", "--precision", "'f32,'")]
    [TestCase("bench --precision int8,int8", "--precision", "'int8,int8'")]
    [TestCase("bench --shape 10", "--shape", "'10'", "2048x5632")]
    [TestCase("bench --shape 0x5", "--shape", "'0x5'")]
    [TestCase("bench --shape -4x5", "--shape", "'-4x5'")]
    [TestCase("bench --shape 1x2x3", "--shape", "'1x2x3'")]
    [TestCase("bench --shape 99999999999x2", "--shape", "'99999999999x2'")]
    [TestCase("bench --shape 65536x65536", "65536", "2147483647")]
    [TestCase("bench --preset gpt9", "--preset", "'gpt9'", "llama-7b")]
    [TestCase("bench --preset gpt2 --shape 4x4", "--preset", "--shape")]
    [TestCase("bench --kind relux", "--kind", "'relux'", "swiglu")]
    [TestCase("bench --tokens 1,,2", "--tokens", "'1,,2'")]
    [TestCase("bench --tokens 0", "--tokens", "'0'")]
    [TestCase("bench --tokens 1048576 --shape 4096x4", "--tokens", "1048576")]
    [TestCase("bench --backend all,mkl", "--backend", "'all,mkl'")]
    [TestCase("bench --seconds 0", "--seconds", "'0'")]
    [TestCase("bench --seconds NaN", "--seconds", "'NaN'")]
    [TestCase("bench --json /no/such/folder/rows.json", "--json", "/no/such/folder")]
    [TestCase("init --shape 4x4", "--output", "required")]
    [TestCase("init --output o", "--shape", "required")]
    [TestCase("init --shape 4x4 --output o --dtype f64", "--dtype", "'f64'", "bf16")]
    [TestCase("init --shape 4x4 --output o --layers 0", "--layers", "'0'")]
    [TestCase("init --shape 4x4 --output o --seed -1", "--seed", "'-1'")]
    [TestCase("init --shape 4x4 --output o --kind clamped-swiglu", "--kind", "clamped-swiglu", "gelu-tanh", "bilinear, reglu, geglu")]
    [TestCase("init --shape 40000x40000 --layers 9999 --output o", "--output", "GB", "free")]
    public void Is_refused(string line, params string[] named) =>
        CommandRun.Of(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).ShouldRefuse(named);

    [TestCase("--help", "info", "forward", "verify", "bench", "init", "serve")]
    [TestCase("forward --help", "--model", "--layer", "--input", "--output", "--mode", "--backend", "--kernel", "--precision", "--threads", "--trace", "--mkl-path")]
    [TestCase("verify --help", "--model", "--layer", "--tokens", "--require", "--kernel", "--precision", "--threads", "--mkl-path", "--json")]
    [TestCase("bench --help", "--shape", "--preset", "--kind", "--tokens", "--backend", "--kernel", "--precision", "--threads", "--seconds", "--json", "--mkl-path")]
    [TestCase("serve --help", "--model", "--urls", "--grpc-urls", "--backend", "--threads", "--NativeFfn:Batching:MaxBatchTokens", "--Server:MaxConnections")]
    [TestCase("init --help", "--kind", "--shape", "--layers", "--dtype", "--seed", "--output", "--sample-input")]
    public void Help_lists(string line, params string[] named)
    {
        CommandRun run = CommandRun.Done(line.Split(' '));
        foreach (string name in named)
        {
            Assert.That(run.Out, Does.Contain(name));
        }
    }

    [Test]
    public void A_path_may_start_with_an_at_sign() =>
        CommandRun.Of("forward", "--model", "@no-such-model", "--input", "i", "--output", Path.GetTempPath() + "o").ShouldRefuse("@no-such-model");
}
