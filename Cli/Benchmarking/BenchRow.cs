namespace NativeFfn.Cli.Benchmarking;

/// <summary>One backend in one precision at one token count in <c>bench</c>. The measured forward is the whole layer with its residual.</summary>
/// <param name="Backend">The backend.</param>
/// <param name="Precision">How the matrices lie in memory.</param>
/// <param name="Kind">The layer's kind.</param>
/// <param name="DModel">d_model.</param>
/// <param name="DFf">d_ff.</param>
/// <param name="Experts">Experts of a mixture; 0 for a dense layer.</param>
/// <param name="TopK">Experts that a token is sent to; 0 for a dense layer.</param>
/// <param name="Tokens">Rows of one forward.</param>
/// <param name="MedianMs">Median time of one forward, in milliseconds.</param>
/// <param name="MinMs">Shortest time of one forward, in milliseconds.</param>
/// <param name="P95Ms">What 95 % of the forwards did not pass, in milliseconds.</param>
/// <param name="P99Ms">What 99 % of the forwards did not pass, in milliseconds.</param>
/// <param name="Gflops">10⁹ operations a second at the median, a multiply-add counted as two.</param>
/// <param name="GbPerSec">10⁹ bytes a second at the median: the weights once, of a mixture those of the experts that the rows were sent to, the input and the output.</param>
/// <param name="AllocatedBytesPerCall">Managed bytes of one steady forward, on all threads together.</param>
/// <param name="GemmShare">The projections' part of the time of all threads, 0 to 1.</param>
/// <param name="Threads">Threads of one forward.</param>
/// <param name="Runs">Forwards measured.</param>
/// <param name="WeightBytes">Bytes of one copy of the weights in memory.</param>
/// <param name="WeightCopies">Copies of the weights that took turns.</param>
/// <param name="IsPastCache">Whether that is enough for each to leave the last cache before its next turn.</param>
/// <param name="QuantizationError">What the precision lost of the matrix that lost most: ‖kept − given‖₂ / ‖given‖₂.</param>
/// <param name="Gemms">Which GEMM multiplies how many tokens.</param>
internal sealed record BenchRow(
    string Backend,
    string Precision,
    string Kind,
    int DModel,
    int DFf,
    int Experts,
    int TopK,
    int Tokens,
    double MedianMs,
    double MinMs,
    double P95Ms,
    double P99Ms,
    double Gflops,
    double GbPerSec,
    long AllocatedBytesPerCall,
    double GemmShare,
    int Threads,
    int Runs,
    long WeightBytes,
    int WeightCopies,
    bool IsPastCache,
    double QuantizationError,
    string Gemms);
