using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.KeyValue.Tests.KnownSuites;

/// <summary>Counts what a simulated network delivers. A frame carries many messages; each is counted.</summary>
internal sealed class Wire
{
    private readonly Dictionary<Type, int> _byType = [];
    private readonly Dictionary<NodeName, long> _bytesTo = [];

    public Wire(SimulatedNetwork network) => network.Observed += Count;

    public int Frames { get; private set; }

    public int Messages { get; private set; }

    /// <summary>Log entries in all appends.</summary>
    public int Entries { get; private set; }

    public int Of<T>() where T : RaftMessage => _byType.GetValueOrDefault(typeof(T));

    /// <summary>Bytes of the frames one node received.</summary>
    public long BytesTo(NodeName node) => _bytesTo.GetValueOrDefault(node);

    public void Reset()
    {
        Frames = Messages = Entries = 0;
        _byType.Clear();
        _bytesTo.Clear();
    }

    private void Count(NodeName from, NodeName to, ReadOnlyMemory<byte> frame)
    {
        if (FrameReader.TryOpen(frame.Span, out _, out FrameReader reader) != FrameStatus.Ok) return;
        Frames++;
        _bytesTo[to] = BytesTo(to) + frame.Length;
        while (reader.TryReadNext(out _, out RaftMessage? message, out _))
        {
            if (message is null) continue;
            Messages++;
            if (message is AppendEntries append) Entries += append.Entries.Length;
            _byType[message.GetType()] = _byType.GetValueOrDefault(message.GetType()) + 1;
        }
    }
}
