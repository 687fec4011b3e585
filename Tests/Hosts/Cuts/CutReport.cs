using System.Globalization;

namespace Orleans.Raft.Hosts;

/// <summary>What a cut did to the majority: the time from the cut to the end of the first call that began after it and
/// was answered, of the slowest group.</summary>
internal sealed record CutReport(string Kind, string Silos, TimeSpan FirstWrite, TimeSpan FirstRead)
{
    /// <summary>How soon the majority is to go on.</summary>
    public static readonly TimeSpan Bound = TimeSpan.FromSeconds(2);

    public bool IsLate => FirstWrite > Bound || FirstRead > Bound;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"time {Kind} {Silos}: first write in every group {FirstWrite.TotalMilliseconds:0} ms after the cut, first "
        + $"linearizable read {FirstRead.TotalMilliseconds:0} ms{(IsLate ? " LATE" : "")}");
}
