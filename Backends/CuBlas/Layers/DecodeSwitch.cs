using System.Globalization;
using NativeFfn.Backends.CuBlas.Forward;
using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Lanes;
using NativeFfn.Backends.CuBlas.Products;
using NativeFfn.Backends.Storage;

namespace NativeFfn.Backends.CuBlas.Layers;

/// <summary>Up to how many tokens the decode kernels beat cuBLASLt's products, by measurement on this device.</summary>
/// <param name="given">The answer, where it is not to be measured.</param>
/// <param name="key">What the measurements depend on.</param>
internal sealed class DecodeSwitch(int? given, string key)
{
    // Rounds in which each runs once; the median of them counts.
    private const int Rounds = 7;

    private static readonly int[] Ladder = [1, 2, 4, DeviceKernels.MostVectorTokens];

    private readonly MeasurementFile _file = new("decode", key);

    /// <summary>The most tokens for which the decode kernels should run a network; 0 for never.</summary>
    /// <param name="lane">Where they are timed.</param>
    /// <param name="network">The network; its weights are read, and rows of the lane's.</param>
    public int Of(DeviceLane lane, DeviceNetwork network)
    {
        if (given is { } tokens)
        {
            return Math.Clamp(tokens, 0, DeviceKernels.MostVectorTokens);
        }

        string name = network.Weights.Spec.ToString().Replace(' ', '_') + (network.Weights.Spec.Stages[0].HasBias ? "_biased" : string.Empty);
        return int.TryParse(_file.Read(name), NumberStyles.None, CultureInfo.InvariantCulture, out int kept)
            ? Math.Min(kept, DeviceKernels.MostVectorTokens)
            : Measure(lane, network, name);
    }

    private int Measure(DeviceLane lane, DeviceNetwork network, string name)
    {
        int best = 0;
        foreach (int tokens in Ladder)
        {
            (float decode, float products) = Race(lane, network, tokens);
            if (decode > products)
            {
                break;
            }

            best = tokens;
        }

        _file.Add(name, best.ToString(CultureInfo.InvariantCulture));
        return best;
    }

    // In turns, so that a change of the device's clock falls on both; the first round settles the plans.
    private static (float Decode, float Products) Race(DeviceLane lane, DeviceNetwork network, int tokens)
    {
        DeviceScratch scratch = DeviceScratch.ForMeasuring(lane, network.Weights, tokens);
        float[] decode = new float[Rounds];
        float[] products = new float[Rounds];
        for (int round = -1; round < Rounds; round++)
        {
            float one = AlgorithmRace.Time(lane, () => DeviceForward.QueueDecode(Chunk(lane, network, scratch, tokens)));
            float other = AlgorithmRace.Time(lane, () => DeviceForward.QueueProducts(Chunk(lane, network, scratch, tokens)));
            if (round >= 0)
            {
                (decode[round], products[round]) = (one, other);
            }
        }

        return (AlgorithmRace.Median(decode), AlgorithmRace.Median(products));
    }

    private static DeviceChunk Chunk(DeviceLane lane, DeviceNetwork network, in DeviceScratch scratch, int tokens) =>
        DeviceChunk.OnScratch(lane, network, scratch, tokens, FfnMode.Ffn, tunes: false);
}
