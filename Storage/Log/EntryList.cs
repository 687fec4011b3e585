using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>Contiguous entries: grows at the end, is cut at both ends.</summary>
internal sealed class EntryList
{
    private LogEntry[] _items = [];
    private int _start;

    public int Count { get; private set; }

    public LogIndex First => _items[_start].Index;

    public LogIndex Last => _items[_start + Count - 1].Index;

    public ReadOnlySpan<LogEntry> Items => _items.AsSpan(_start, Count);

    /// <summary>The entries from one index to another, both included and both here.</summary>
    public ReadOnlySpan<LogEntry> Slice(LogIndex first, LogIndex last) =>
        Items.Slice((int)(first - First), (int)(last - first) + 1);

    public void Append(ReadOnlySpan<LogEntry> entries)
    {
        if (_start + Count + entries.Length > _items.Length) MakeRoom(entries.Length);
        entries.CopyTo(_items.AsSpan(_start + Count));
        Count += entries.Length;
    }

    public void RemoveFirst(int count)
    {
        _items.AsSpan(_start, count).Clear();
        _start += count;
        Count -= count;
        if (Count == 0) _start = 0;
    }

    public void RemoveLast(int count)
    {
        _items.AsSpan(_start + Count - count, count).Clear();
        Count -= count;
        if (Count == 0) _start = 0;
    }

    private void MakeRoom(int count)
    {
        int needed = Count + count;
        LogEntry[] target = needed > _items.Length / 2 ? new LogEntry[Math.Max(16, needed * 2)] : _items;
        Items.CopyTo(target);
        if (target == _items) _items.AsSpan(Math.Max(Count, _start), _start + Count - Math.Max(Count, _start)).Clear();
        _items = target;
        _start = 0;
    }
}
