using System.Globalization;
using NativeFfn.Bench;
using NUnit.Framework;

namespace NativeFfn.Tests.Bench;

/// <summary><c>errors</c>: what precisions lose, on even numbers and on outliers.</summary>
public sealed class ErrorsBenchTests
{
    [Test]
    public void Errors_of_every_precision_are_in_one_table()
    {
        using var stdout = new StringWriter();
        using var stderr = new StringWriter();
        Assert.That(Program.Run(["errors", "--shape", "128x352"], stdout, stderr), Is.Zero, stderr.ToString());
        Dictionary<string, double[]> rows = stdout.ToString().Split('\n')
            .Where(static line => line.StartsWith("| ", StringComparison.Ordinal))
            .Select(static line => line.Split('|', StringSplitOptions.TrimEntries)[1..^1])
            .Skip(1).Where(static cells => !cells[1].EndsWith(':'))
            .ToDictionary(static cells => cells[0], static cells => cells[1..].Select(Number).ToArray());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                rows.Keys, Is.SupersetOf(new[] { "f32", "bf16", "f16", "fp8", "int8", "int4", "w8a8", "w4a8", "int4, plain rounding" }));
            Assert.That(rows["f32"], Is.All.LessThan(2e-6));

            // Weights: Gaussian, with outliers; results: Gaussian, outliers in rows, in weights, in both.
            Assert.That(rows["int4"][0], Is.LessThan(rows["int4, plain rounding"][0]));
            Assert.That(rows["int4"][2], Is.LessThan(rows["int4, plain rounding"][2]));
            Assert.That(rows["w8a8"][3], Is.GreaterThan(2 * rows["int8"][3]), "8-bit rows lose what is beside an outlier");
            Assert.That(rows["int8"][0], Is.EqualTo(rows["w8a8"][0]));
        }
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
