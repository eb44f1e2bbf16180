namespace NativeFfn;

/// <summary>How much of a transformer block's feed-forward half is computed.</summary>
public enum FfnMode
{
    /// <summary>y = FFN(x); the norms around the network are left out.</summary>
    Ffn,

    /// <summary>y = residual + FFN(x); the norms around the network, and a <see cref="BlockForm"/>, are left out.</summary>
    Residual,

    /// <summary>y = post(x + branch(FFN(pre(x)))), each norm where the layer has it; scales, and another residual than x, as <see cref="BlockForm"/> says.</summary>
    Block,
}
