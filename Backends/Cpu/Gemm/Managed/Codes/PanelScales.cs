using System.Runtime.CompilerServices;
using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Codes;

/// <summary>
/// The scales at the head of a block of columns, as short as the encoding has them, and how they become what tiles read: of each unit of
/// columns a float32 scale for each row of the panel and an offset for each, weight = scale · code + offset.
/// </summary>
/// <remarks>
/// At the head of a block are, each for all rows: the factors, the minima, the zero points, of as many units as share them; then for each unit the
/// step of the scale, then for each unit that of the minimum.
/// </remarks>
/// <param name="form">What the codes mean.</param>
internal sealed unsafe class PanelScales<TSimd, TVector>(CodeForm form)
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    // From this one on a half is no number: with the largest exponent and widened as others are.
    private const float NoHalf = 65536;
    private const uint ExponentBits = 0x7F80_0000;
    private const uint SignBit = 0x8000_0000;

    private readonly int _unitsOfFactor = form.UnitsOfFactor(PanelKernel.BlockColumns / form.UnitColumns);
    private readonly int _factorBytes = Rows * form.Scale.Bytes();
    private readonly int _stepBytes = form.Steps == StepType.None ? 0 : Rows;

    /// <summary>Floats of the scales and offsets of a unit.</summary>
    public static int UnitFloats => 2 * Rows;

    private static int Rows => 2 * TSimd.Count;

    /// <summary>Units of a group of columns.</summary>
    public int UnitsOfGroup { get; } = PanelFormat.GroupColumns / form.UnitColumns;

    private bool HasMinimumSteps => form.HasMinima && form.Steps != StepType.None;

    /// <summary>Bytes of the scales of some groups, a block or fewer.</summary>
    public int Bytes(int groups)
    {
        int units = groups * UnitsOfGroup;
        int perFactor = (form.HasMinima ? 2 * _factorBytes : _factorBytes) + (form.HasZeros ? Rows : 0);
        return (Factors(units) * perFactor) + (units * (HasMinimumSteps ? 2 * _stepBytes : _stepBytes));
    }

    /// <summary>Stores the scale of a row's unit in a block, which was cleared.</summary>
    /// <param name="block">The block.</param>
    /// <param name="groups">Groups of columns in it.</param>
    /// <param name="unit">The unit.</param>
    /// <param name="lane">The row's place in the panel.</param>
    /// <param name="scale">The scale.</param>
    public void Store(byte* block, int groups, int unit, int lane, CodeScale scale)
    {
        BlockAddresses places = AddressesOf(block, groups);
        int factor = unit / _unitsOfFactor;

        // A scale that is no number makes all sums of its row such, so that it stays where units share it.
        StoreNumber(places.Factors + (factor * _factorBytes), lane, scale.Factor);
        if (form.HasMinima)
        {
            StoreNumber(places.Minima + (factor * _factorBytes), lane, scale.Minimum);
        }

        if (form.HasZeros)
        {
            places.Zeros[(factor * Rows) + lane] = scale.Zero;
        }

        if (form.Steps != StepType.None)
        {
            places.Steps[(unit * Rows) + lane] = (byte)scale.Step;
        }

        if (HasMinimumSteps)
        {
            places.MinimumSteps[(unit * Rows) + lane] = (byte)scale.MinimumStep;
        }
    }

    /// <summary>Makes float32 scales and offsets of all units of a block.</summary>
    /// <param name="block">The block.</param>
    /// <param name="groups">Groups of columns in it.</param>
    /// <param name="expanded">Receives for each unit the scales, then the offsets.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Expand(byte* block, int groups, float* expanded)
    {
        BlockAddresses places = AddressesOf(block, groups);
        int units = groups * UnitsOfGroup;
        for (int first = 0, factor = 0; first < units; first += _unitsOfFactor, factor++)
        {
            int count = Math.Min(_unitsOfFactor, units - first);
            float* target = expanded + (first * UnitFloats);
            for (int lane = 0; lane < Rows; lane += TSimd.Count, target += TSimd.Count)
            {
                TVector scale = LoadNumber(places.Factors + (factor * _factorBytes), lane);
                TVector minimum = form.HasMinima ? LoadNumber(places.Minima + (factor * _factorBytes), lane) : TSimd.Zero;

                // A whole number of few bits, so that its product with a scale is exact.
                bool countsFromZero = !form.HasZeros && form.Zero == 0;
                TVector minusZero = form.HasZeros
                    ? TSimd.Subtract(TSimd.Zero, TSimd.ToSingle(TSimd.LoadBytes(places.Zeros + (factor * Rows) + lane)))
                    : TSimd.Broadcast(-form.Zero);
                byte* steps = places.Steps + (first * Rows) + lane;
                switch (form.Steps)
                {
                    case StepType.None:
                        Repeat(scale, form.HasMinima ? minimum : Offset(scale, minusZero, countsFromZero), count, target);
                        break;
                    case StepType.Integer when form.HasMinima:
                        MultiplyBoth(scale, minimum, steps, places.MinimumSteps + (first * Rows) + lane, count, target);
                        break;
                    case StepType.Integer:
                        MultiplyIntegers(scale, minusZero, countsFromZero, steps, count, target);
                        break;
                    default:
                        MultiplyFloats(scale, minusZero, countsFromZero, steps, count, target);
                        break;
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Repeat(TVector scale, TVector offset, int count, float* target)
    {
        for (; count > 0; count--, target += UnitFloats)
        {
            Store(scale, offset, target);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyIntegers(TVector factor, TVector minusZero, bool countsFromZero, byte* steps, int count, float* target)
    {
        for (; count > 0; count--, target += UnitFloats, steps += Rows)
        {
            TVector scale = TSimd.Multiply(factor, TSimd.LoadInt8((sbyte*)steps));
            Store(scale, Offset(scale, minusZero, countsFromZero), target);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyBoth(
        TVector factor, TVector minimum, byte* steps, byte* minimumSteps, int count, float* target)
    {
        for (; count > 0; count--, target += UnitFloats, steps += Rows, minimumSteps += Rows)
        {
            TVector scale = TSimd.Multiply(factor, TSimd.LoadInt8((sbyte*)steps));
            Store(scale, TSimd.Multiply(minimum, TSimd.LoadInt8((sbyte*)minimumSteps)), target);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyFloats(TVector factor, TVector minusZero, bool countsFromZero, byte* steps, int count, float* target)
    {
        for (; count > 0; count--, target += UnitFloats, steps += Rows)
        {
            TVector scale = TSimd.Multiply(factor, E4M3Codes<TSimd, TVector>.Widen(TSimd.LoadBytes(steps)));
            Store(scale, Offset(scale, minusZero, countsFromZero), target);
        }
    }

    // Minus zero is the number that changes none, the sign of a zero included.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Offset(TVector scale, TVector minusZero, bool countsFromZero) =>
        countsFromZero ? TSimd.BroadcastBits(SignBit) : TSimd.Multiply(scale, minusZero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(TVector scale, TVector offset, float* target)
    {
        TSimd.Store(scale, target);
        TSimd.Store(offset, target + Rows);
    }

    private int Factors(int units) => (units + _unitsOfFactor - 1) / _unitsOfFactor;

    private BlockAddresses AddressesOf(byte* block, int groups)
    {
        int units = groups * UnitsOfGroup;
        int factors = Factors(units);
        byte* minima = block + (factors * _factorBytes);
        byte* zeros = minima + (form.HasMinima ? factors * _factorBytes : 0);
        byte* steps = zeros + (form.HasZeros ? factors * Rows : 0);
        return new BlockAddresses { Factors = block, Minima = minima, Zeros = zeros, Steps = steps, MinimumSteps = steps + (units * _stepBytes) };
    }

    private void StoreNumber(byte* numbers, int lane, float number)
    {
        if (form.Scale == ScaleType.Float32)
        {
            ref float place = ref ((float*)numbers)[lane];
            place = float.IsNaN(place) ? place : number;
            return;
        }

        ref ushort bits = ref ((ushort*)numbers)[lane];
        bool isNaN = form.Scale == ScaleType.BFloat16 ? float.IsNaN(BFloat16Encoding.Widen(bits)) : Half.IsNaN(BitConverter.UInt16BitsToHalf(bits));
        ushort rounded = form.Scale == ScaleType.BFloat16 ? BFloat16Encoding.Round(number) : BitConverter.HalfToUInt16Bits((Half)number);
        bits = isNaN ? bits : rounded;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private TVector LoadNumber(byte* numbers, int lane)
    {
        if (form.Scale == ScaleType.Float32)
        {
            return TSimd.Load((float*)numbers + lane);
        }

        TVector upper = TSimd.LoadBFloat16((ushort*)numbers + lane);
        if (form.Scale == ScaleType.BFloat16)
        {
            return upper;
        }

        TVector half = Float16Element<TSimd, TVector>.Widen(upper);
        return TSimd.SelectLess(TSimd.Abs(half), TSimd.Broadcast(NoHalf), half, TSimd.OrBits(half, TSimd.BroadcastBits(ExponentBits)));
    }

    private ref struct BlockAddresses
    {
        public byte* Factors;
        public byte* Minima;
        public byte* Zeros;
        public byte* Steps;
        public byte* MinimumSteps;
    }
}
