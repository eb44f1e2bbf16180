using System.Globalization;
using NativeFfn.Backends.CuBlas.Forward;
using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Streams;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Backends.Storage;

namespace NativeFfn.Backends.CuBlas.Gemm;

/// <summary>Up to how many tokens the decode kernels beat cuBLASLt's GEMMs, by measurement on this device.</summary>
/// <param name="given">The answer, where it is not to be measured.</param>
/// <param name="key">What the measurements depend on.</param>
internal sealed class DecodeCrossover(int? given, string key)
{
    // Rounds in which each runs once; the median of them counts.
    private const int Rounds = 7;

    private static readonly int[] Ladder = [1, 2, 4, DeviceKernels.MostVectorTokens];

    private readonly MeasurementFile _file = new("decode", key);

    /// <summary>The most tokens for which the decode kernels should run a network; 0 for never.</summary>
    /// <param name="slot">Where they are timed.</param>
    /// <param name="network">The network; its weights are read, and rows of the slot's.</param>
    public int Of(StreamSlot slot, DeviceNetwork network)
    {
        if (given is { } tokens)
        {
            return Math.Clamp(tokens, 0, DeviceKernels.MostVectorTokens);
        }

        string name = network.Spec.ToString().Replace(' ', '_') + (network.Spec.Stages[0].HasBias ? "_biased" : string.Empty);
        return int.TryParse(_file.Read(name), NumberStyles.None, CultureInfo.InvariantCulture, out int kept)
            ? Math.Min(kept, DeviceKernels.MostVectorTokens)
            : Measure(slot, network, name);
    }

    private int Measure(StreamSlot slot, DeviceNetwork network, string name)
    {
        int best = 0;
        foreach (int tokens in Ladder)
        {
            (float decode, float gemms) = Time(slot, network, tokens);
            if (decode > gemms)
            {
                break;
            }

            best = tokens;
        }

        _file.Add(name, best.ToString(CultureInfo.InvariantCulture));
        return best;
    }

    // In turns, so that a change of the device's clock falls on both; the first round plans the GEMMs.
    private static (float Decode, float Gemms) Time(StreamSlot slot, DeviceNetwork network, int tokens)
    {
        DeviceGroup.Fill(slot, network, tokens);
        float[] decode = new float[Rounds];
        float[] gemms = new float[Rounds];
        for (int round = -1; round < Rounds; round++)
        {
            float one = AlgorithmAutotuner.Time(slot, () => GroupForward.QueueDecode(Group()));
            float other = AlgorithmAutotuner.Time(slot, () => GroupForward.QueueGemms(Group()));
            if (round >= 0)
            {
                (decode[round], gemms[round]) = (one, other);
            }
        }

        return (AlgorithmAutotuner.Median(decode), AlgorithmAutotuner.Median(gemms));

        DeviceGroup Group() => DeviceGroup.OnScratch(slot, network, tokens, norms: default, hasResidual: false);
    }
}
