using System.Runtime.CompilerServices;

namespace Orleans.Raft.Core;

/// <summary>
/// The deliberate bugs switched on in one instance. None of them, unless a test says otherwise: nothing but tests can
/// make one that is not empty, see <c>FaultPointTests</c>.
/// </summary>
internal readonly record struct FaultPoints
{
    private readonly ulong _bits;

    public FaultPoints(FaultPoint point) => _bits = 1ul << (int)point;

    // Asked for on the hottest paths, in methods in which the compiler would not inline all of it by itself.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Has(FaultPoint point) => (_bits & (1ul << (int)point)) != 0;
}
