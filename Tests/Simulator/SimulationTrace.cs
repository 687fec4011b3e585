using System.Text;
using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Simulator;

/// <summary>A running hash of all that happens, in order and with its time.</summary>
internal sealed class SimulationTrace(VirtualTime time)
{
    private readonly Queue<string> _last = new();

    public ulong Hash { get; private set; } = 0xcbf29ce484222325;

    /// <summary>The last events, for the report of a failure.</summary>
    public IReadOnlyCollection<string> Last => _last;

    public void Note(string what)
    {
        Mix((ulong)time.Now.Ticks);
        Mix(Crc32C.Compute(Encoding.UTF8.GetBytes(what)));
        _last.Enqueue($"{time.Now.TotalMilliseconds,10:F2} ms {what}");
        if (_last.Count > 60) _last.Dequeue();
    }

    public void NoteFrame(NodeName from, NodeName to, ReadOnlyMemory<byte> frame)
    {
        Mix((ulong)time.Now.Ticks);
        Mix(Crc32C.Compute(Encoding.UTF8.GetBytes(from.Value + to.Value)));
        Mix(Crc32C.Compute(frame.Span));
    }

    private void Mix(ulong value) => Hash = (Hash ^ value) * 0x100000001b3;
}
