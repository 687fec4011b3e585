using System.Text;
using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Simulator;

/// <summary>What happened, in order and with its time: the last events in words, and a running hash of all.</summary>
internal sealed class SimulationTrace(VirtualTime time, Action<string>? listener)
{
    private const int Kept = 80;

    private readonly Queue<string> _last = new();

    /// <summary>Of every frame delivered and every event: equal for equal seeds.</summary>
    public ulong Hash { get; private set; } = 0xcbf29ce484222325;

    /// <summary>The last events, oldest first.</summary>
    public IReadOnlyCollection<string> Last => _last;

    /// <summary>An event worth reading.</summary>
    public void Note(string what)
    {
        Mix((ulong)time.Now.Ticks);
        Mix(Crc32C.Compute(Encoding.UTF8.GetBytes(what)));
        string line = $"{time.Now.TotalMilliseconds,10:F2} ms {what}";
        _last.Enqueue(line);
        if (_last.Count > Kept) _last.Dequeue();
        listener?.Invoke(line);
    }

    /// <summary>Only for the hash.</summary>
    public void NoteFrame(NodeName from, NodeName to, ReadOnlyMemory<byte> frame)
    {
        Mix((ulong)time.Now.Ticks);
        Mix((uint)(from.Value[^1] << 8 | to.Value[^1]));
        Mix(Crc32C.Compute(frame.Span));
    }

    /// <summary>Only for the hash.</summary>
    public void NoteAnswer(int client, int operation, int outcome) =>
        Mix((ulong)time.Now.Ticks ^ ((ulong)client << 56) ^ ((ulong)operation << 32) ^ (uint)outcome);

    private void Mix(ulong value) => Hash = (Hash ^ value) * 0x100000001b3;
}
