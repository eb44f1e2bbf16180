using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>vector_stage_* and vector_result_*.</summary>
public class VectorKernelTests(string precision) : KernelTests(precision)
{
    private static readonly int[] Instances = [1, 2, 4, 8];

    [Test]
    public void A_stage_is_what_its_formula_says(
        [ValueSource(nameof(Widths))] int columns, [Values] bool gated, [ValueSource(nameof(Instances))] int instance)
    {
        int tokens = instance == 1 ? 1 : instance - 1;
        Activation activation = Activation.All[(columns + instance) % Activation.All.Length];
        using var stage = new VectorProblem(Precision, rows: 33, gated, columns, tokens, extras: (columns + instance) % 4, isWhole: false);
        KernelRows output = Own(KernelRows.Own(Precision.Vector, tokens, 48, 16));
        Launch($"vector_stage_{instance}", 3, 1, stage.StageArguments(output, activation));
        AssertStage(stage, activation, output);
    }

    [Test]
    public void A_result_is_what_its_formula_says(
        [ValueSource(nameof(Widths))] int columns, [Values] bool hasResidual, [ValueSource(nameof(Instances))] int instance)
    {
        int tokens = instance == 1 ? 1 : instance - 1;
        using var problem = new VectorProblem(
            Precision, rows: 33, gated: false, columns, tokens, extras: (columns + instance) % 4, isWhole: false);
        CheckResult(problem, instance, tokens, hasResidual, isInPlace: columns % 2 == 0);
    }

    [Test]
    public void An_infinity_stays_out_of_the_padding([Values] bool gated, [ValueSource(nameof(Instances))] int instance)
    {
        using var stage = new VectorProblem(Precision, rows: 17, gated, columns: 16, instance, extras: 3, isWhole: false);
        stage.Vectors.Set((_, column) => column == 3 ? double.PositiveInfinity : 0);
        KernelRows output = Own(KernelRows.Own(Precision.Vector, instance, 32));
        Launch($"vector_stage_{instance}", 2, 1, stage.StageArguments(output, Activation.Relu));
        for (int token = 0; token < instance; token++)
        {
            Assert.That(Enumerable.Range(17, 15).Select(row => output[token, row]), Is.All.Zero);
        }
    }

    [Test]
    public void Many_rows_are_computed([Values(1, 15, 1000, 2731)] int rows)
    {
        using var problem = new VectorProblem(Precision, rows, gated: false, columns: 70, tokens: 2, extras: 3, isWhole: false);
        CheckResult(problem, 2, 2, hasResidual: true, isInPlace: true);
        using var stage = new VectorProblem(Precision, rows, gated: true, columns: 70, tokens: 2, extras: 3, isWhole: false);
        KernelRows output = Own(KernelRows.Own(Precision.Vector, 2, PaddedTo16(rows)));
        Launch("vector_stage_2", PaddedTo16(rows) / KernelSources.VectorRows, 1, stage.StageArguments(output, Activation.Silu));
        AssertStage(stage, Activation.Silu, output);
    }

    [Test]
    public void Sums_of_small_whole_numbers_are_exact(
        [ValueSource(nameof(Widths))] int columns, [ValueSource(nameof(Instances))] int instance, [Values] bool gated)
    {
        using var problem = new VectorProblem(Precision, rows: 16, gated, columns, instance, extras: 0, isWhole: true);
        if (!gated)
        {
            KernelRows result = Own(KernelRows.OfCaller(instance, 16, 16, GuardSide.After));
            Launch($"vector_result_{instance}", 1, 1, problem.ResultArguments(result, null));
            for (int token = 0; token < instance; token++)
            {
                for (int row = 0; row < 16; row++)
                {
                    Assert.That(result[token, row], Is.EqualTo(problem.Dot(token, row)), $"token {token} row {row}");
                }
            }
        }

        KernelRows output = Own(KernelRows.Own(Precision.Vector, instance, 16));
        Launch($"vector_stage_{instance}", 1, 1, problem.StageArguments(output, Activation.Relu));
        for (int token = 0; token < instance; token++)
        {
            for (int row = 0; row < 16; row++)
            {
                double expected = Math.Max(0, problem.Dot(token, row)) * (gated ? problem.Dot(token, 16 + row) : 1);
                AssertRounded(Precision.Vector, output[token, row], expected, 0, () => $"token {token} row {row}");
            }
        }
    }

    [Test]
    public void A_token_has_the_same_bits_whichever_instance_ran_it_and_beside_whom(
        [ValueSource(nameof(Widths))] int columns, [Values] bool gated)
    {
        const int Tokens = 8;
        const int Rows = 32;
        using var problem = new VectorProblem(Precision, Rows, gated, columns, Tokens, extras: 3, isWhole: false);
        byte[][]? firstStage = null;
        byte[][]? firstResult = null;
        foreach (int instance in Instances)
        {
            KernelRows hidden = Own(KernelRows.Own(Precision.Vector, Tokens, Rows));
            KernelRows result = Own(KernelRows.OfCaller(Tokens, Rows, Rows, GuardSide.After));
            for (int first = 0; first < Tokens; first += instance)
            {
                // The last one has fewer tokens than the instance can take.
                int tokens = Math.Min(instance, Tokens - first) - (instance == 4 && first == 4 ? 1 : 0);
                Launch($"vector_stage_{instance}", Rows / 16, 1, problem.StageArguments(hidden, Activation.Gelu, first, tokens));
                if (!gated)
                {
                    Launch($"vector_result_{instance}", Rows / 16, 1, problem.ResultArguments(result, null, first, tokens));
                }
            }

            // Left out above.
            if (instance == 4)
            {
                Launch("vector_stage_4", Rows / 16, 1, problem.StageArguments(hidden, Activation.Gelu, 7, 1));
                if (!gated)
                {
                    Launch("vector_result_4", Rows / 16, 1, problem.ResultArguments(result, null, 7, 1));
                }
            }

            firstStage ??= [hidden.ToArray()];
            firstResult ??= [result.ToArray()];
            Assert.That(hidden.ToArray(), Is.EqualTo(firstStage[0]), $"vector_stage_{instance}");
            Assert.That(result.ToArray(), Is.EqualTo(firstResult[0]), $"vector_result_{instance}");
        }
    }

    [TestCase(double.NaN)]
    [TestCase(double.PositiveInfinity)]
    public void What_is_not_finite_reaches_its_own_token_alone(double special)
    {
        using var problem = new VectorProblem(Precision, rows: 16, gated: false, columns: 600, tokens: 3, extras: 0, isWhole: true);
        problem.Vectors[1, 599] = special;
        problem.Weights[5, 599] = 1;
        KernelRows result = Own(KernelRows.OfCaller(3, 16, 16, GuardSide.After));
        Launch("vector_result_4", 1, 1, problem.ResultArguments(result, null));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(result[1, 5], Is.EqualTo(special));
            Assert.That(Enumerable.Range(0, 16).All(row => double.IsFinite(result[0, row]) && double.IsFinite(result[2, row])), Is.True);
        }
    }

    private void CheckResult(VectorProblem problem, int instance, int tokens, bool hasResidual, bool isInPlace)
    {
        int rows = problem.Rows;
        KernelRows output = Own(KernelRows.OfCaller(tokens, rows, rows + 3, GuardSide.After)).Set(static (token, row) => token - (row * 0.25));
        KernelRows residual = isInPlace
            ? output
            : Own(KernelRows.OfCaller(tokens, rows, rows + 1, GuardSide.Before)).Set(static (token, row) => token + (row * 0.5));
        var added = new double[tokens, rows];
        for (int i = 0; hasResidual && i < tokens * rows; i++)
        {
            added[i / rows, i % rows] = residual[i / rows, i % rows];
        }

        VectorResultArguments arguments = problem.ResultArguments(output, hasResidual ? residual : null);
        Launch($"vector_result_{instance}", PaddedTo16(rows) / KernelSources.VectorRows, 1, arguments);
        for (int token = 0; token < tokens; token++)
        {
            for (int row = 0; row < rows; row++)
            {
                double value = problem.Value(token, row);
                double expected = value + added[token, row];
                double error = problem.Error(token, row) + Tolerances.OfKernel(Math.Abs(added[token, row]) + Math.Abs(value));
                AssertRounded(NumberFormat.Float32, output[token, row], expected, error, () => $"token {token} row {row}");
            }
        }

        output.AssertUntouchedPast(rows);
    }

    private void AssertStage(VectorProblem stage, Activation activation, KernelRows output)
    {
        for (int token = 0; token < output.Count; token++)
        {
            for (int row = stage.Rows; row < stage.PaddedRows; row++)
            {
                Assert.That(output[token, row], Is.Zero, $"token {token}, padding {row}");
            }

            for (int row = 0; row < stage.Rows; row++)
            {
                double gate = stage.Value(token, row);
                double up = stage.Gated ? ReferenceMath.Factor(activation, stage.Value(token, stage.PaddedRows + row)) : 1;
                double activated = ReferenceMath.Activate(activation, gate);
                double steepness = activation == Activation.SquaredRelu ? 2 * Math.Max(1, Math.Abs(gate)) : 2;
                double errorOfActivated = (steepness * stage.Error(token, row)) + Tolerances.OfActivation(activation, activated);
                double errorOfUp = stage.Gated ? stage.Error(token, stage.PaddedRows + row) : 0;
                double error = (errorOfActivated * Math.Max(1, Math.Abs(up))) + (errorOfUp * Math.Abs(activated))
                    + Tolerances.OfKernel(activated * up);
                AssertRounded(Precision.Vector, output[token, row], activated * up, error, () => $"token {token} row {row}");
            }
        }

        output.AssertUntouchedPast(stage.PaddedRows);
    }
}
