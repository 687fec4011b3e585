using System.Numerics;
using System.Runtime.InteropServices;

namespace Orleans.Raft.Core;

/// <summary>
/// A replica's log in memory: what its snapshot does not cover, in chunks of 1,024 entries aligned to their index.
/// Invariant: a slot that was written is never written again, so that slices handed to messages, the disk writer and
/// the state machine never change; truncation and compaction move what is kept to a fresh chunk.
/// </summary>
internal sealed class RaftLog
{
    private const int ChunkBits = 10;
    private const int ChunkSize = 1 << ChunkBits;
    private const int SlotMask = ChunkSize - 1;
    private const int FirstCapacity = 32;
    private const long DeadBytesMax = 1 << 20;

    private readonly List<LogEntry[]> _chunks = [];
    private ulong _firstChunk;

    // Payload bytes of forgotten entries that the oldest chunk still refers to.
    private long _deadBytes;

    public RaftLog(EntryId compacted)
    {
        Compacted = compacted;
        Last = compacted;
    }

    /// <summary>The last entry that is no longer kept; zero if none was dropped.</summary>
    public EntryId Compacted { get; private set; }

    public EntryId Last { get; private set; }

    public LogIndex LastIndex => Last.Index;

    public LogIndex FirstKept => Compacted.Index.Next();

    /// <summary>Payload bytes of the kept entries.</summary>
    public long Bytes { get; private set; }

    public ref readonly LogEntry this[LogIndex index]
    {
        get
        {
            Invariant.Require(index > Compacted.Index && index <= Last.Index,
                $"{index} is outside {Compacted}..{Last}");
            return ref _chunks[ChunkOf(index)][SlotOf(index)];
        }
    }

    /// <summary>The term at an index, if it is still known.</summary>
    public bool TryTermAt(LogIndex index, out Term term)
    {
        bool known = index >= Compacted.Index && index <= Last.Index;
        term = !known ? default : index == Compacted.Index ? Compacted.Term : this[index].Term;
        return known;
    }

    public Term TermAt(LogIndex index)
    {
        Invariant.Require(TryTermAt(index, out Term term), $"the term of {index} is not known in {Compacted}..{Last}");
        return term;
    }

    /// <summary>Appends contiguous entries.</summary>
    public void AppendRange(ReadOnlySpan<LogEntry> entries)
    {
        while (!entries.IsEmpty)
        {
            LogIndex index = Last.Index.Next();
            Invariant.Require(entries[0].Index == index && entries[0].Term >= Last.Term, $"{entries[0]} after {Last}");
            int slot = SlotOf(index);
            int count = Math.Min(entries.Length, ChunkSize - slot);
            entries[..count].CopyTo(WritableChunk(index, slot + count).AsSpan(slot));
            Last = entries[count - 1].Id;
            Bytes += PayloadBytes(entries[..count]);
            entries = entries[count..];
        }
    }

    /// <summary>Drops <paramref name="index"/> and everything after it.</summary>
    public void TruncateFrom(LogIndex index)
    {
        Invariant.Require(index > Compacted.Index && index <= Last.Index,
            $"cannot truncate {Compacted}..{Last} at {index}");
        Bytes -= PayloadBytes(index, Last.Index);
        LogIndex last = index.Previous();
        Last = new EntryId(TermAt(last), last);
        if (Last == Compacted)
        {
            DropAll();
            return;
        }

        int chunk = ChunkOf(index);
        int kept = SlotOf(index);
        LogEntry[] old = _chunks[chunk];
        _chunks.RemoveRange(chunk, _chunks.Count - chunk);
        if (kept == 0) return;
        var fresh = new LogEntry[ChunkSize];
        Array.Copy(old, fresh, kept);
        _chunks.Add(fresh);
    }

    /// <summary>Forgets everything; the log then continues after <paramref name="snapshot"/>.</summary>
    public void Reset(EntryId snapshot)
    {
        DropAll();
        Bytes = 0;
        Compacted = snapshot;
        Last = snapshot;
    }

    /// <summary>Forgets the entries up to and including <paramref name="upTo"/>.</summary>
    public void Compact(LogIndex upTo)
    {
        if (upTo <= Compacted.Index) return;
        Term term = TermAt(upTo);
        Bytes -= PayloadBytes(FirstKept, upTo);
        int drop = Math.Min(ChunkOf(upTo.Next()), _chunks.Count);
        LogIndex firstOfHead = new((_firstChunk + (ulong)drop) << ChunkBits);
        if (drop > 0) _deadBytes = 0;
        if (upTo >= firstOfHead) _deadBytes += PayloadBytes(LogIndex.Max(FirstKept, firstOfHead), upTo);
        Compacted = new EntryId(term, upTo);
        if (Last.Index == upTo)
        {
            DropAll();
            return;
        }

        _chunks.RemoveRange(0, drop);
        _firstChunk += (ulong)drop;
        if (_deadBytes > DeadBytesMax) ReleaseDeadPayloads();
    }

    /// <summary>
    /// A view of entries from <paramref name="first"/> on, not beyond <paramref name="last"/>: at least one, then as
    /// many as fit into <paramref name="maxBytes"/> of payload and lie in one chunk.
    /// </summary>
    public ReadOnlyMemory<LogEntry> Slice(LogIndex first, LogIndex last, long maxBytes)
    {
        Invariant.Require(first > Compacted.Index && first <= last && last <= Last.Index,
            $"no {first}..{last} in {Compacted}..{Last}");
        LogEntry[] chunk = _chunks[ChunkOf(first)];
        int start = SlotOf(first);
        int available = (int)Math.Min(last - first + 1, (ulong)(ChunkSize - start));
        ReadOnlySpan<LogEntry> entries = chunk.AsSpan(start, available);
        int count = 0;
        long bytes = 0;
        while (count < available)
        {
            bytes += entries[count].Payload.Length;
            if (bytes > maxBytes && count > 0) break;
            count++;
        }

        return new ReadOnlyMemory<LogEntry>(chunk, start, count);
    }

    /// <summary>All entries of an inclusive range: a view if one chunk holds them, else a copy.</summary>
    public ReadOnlyMemory<LogEntry> Range(LogIndex first, LogIndex last)
    {
        ReadOnlyMemory<LogEntry> head = Slice(first, last, long.MaxValue);
        int count = checked((int)(last - first + 1));
        if (head.Length == count) return head;
        var copy = new LogEntry[count];
        int copied = 0;
        while (copied < count)
        {
            ReadOnlyMemory<LogEntry> part = Slice(first + (ulong)copied, last, long.MaxValue);
            part.CopyTo(copy.AsMemory(copied));
            copied += part.Length;
        }

        return copy;
    }

    /// <summary>Payload bytes of an inclusive range; 0 if it is empty.</summary>
    public long PayloadBytes(LogIndex first, LogIndex last)
    {
        long bytes = 0;
        while (first <= last)
        {
            ReadOnlyMemory<LogEntry> part = Slice(first, last, long.MaxValue);
            bytes += PayloadBytes(part.Span);
            first += (ulong)part.Length;
        }

        return bytes;
    }

    public static long PayloadBytes(ReadOnlySpan<LogEntry> entries)
    {
        long bytes = 0;
        foreach (ref readonly LogEntry entry in entries) bytes += entry.Payload.Length;
        return bytes;
    }

    /// <summary>The first kept index that has the term of <paramref name="index"/>. Terms never fall along a
    /// log.</summary>
    public LogIndex FirstOfTermAt(LogIndex index)
    {
        Term term = TermAt(index);
        LogIndex below = LastAtMost(new Term(term.Value - 1), index) ?? Compacted.Index;
        return LogIndex.Min(below.Next(), index);
    }

    /// <summary>The last known index up to <paramref name="upTo"/> whose term is at most <paramref name="term"/>; null
    /// if none is.</summary>
    public LogIndex? LastAtMost(Term term, LogIndex upTo)
    {
        if (upTo < Compacted.Index || Compacted.Term > term) return null;
        ulong low = Compacted.Index.Value;
        ulong high = LogIndex.Min(upTo, Last.Index).Value;
        while (low < high)
        {
            ulong middle = high - ((high - low) / 2);
            if (TermAt(new LogIndex(middle)) <= term) low = middle;
            else high = middle - 1;
        }

        return new LogIndex(low);
    }

    private int ChunkOf(LogIndex index) => checked((int)((index.Value >> ChunkBits) - _firstChunk));

    private static int SlotOf(LogIndex index) => (int)(index.Value & SlotMask);

    // Only the log's first chunk starts small: a group that is never written should cost little.
    private LogEntry[] WritableChunk(LogIndex index, int slots)
    {
        if (_chunks.Count == 0)
        {
            _firstChunk = index.Value >> ChunkBits;
            _chunks.Add(new LogEntry[Capacity(slots)]);
        }
        else if (ChunkOf(index) == _chunks.Count)
        {
            _chunks.Add(new LogEntry[ChunkSize]);
        }

        ref LogEntry[] last = ref CollectionsMarshal.AsSpan(_chunks)[^1];
        if (last.Length < slots) Array.Resize(ref last, Capacity(slots));
        return last;
    }

    private static int Capacity(int slots) =>
        Math.Min(ChunkSize, Math.Max(FirstCapacity, (int)BitOperations.RoundUpToPowerOf2((uint)slots)));

    private void ReleaseDeadPayloads()
    {
        LogEntry[] old = _chunks[0];
        var fresh = new LogEntry[old.Length];
        int start = SlotOf(FirstKept);
        Array.Copy(old, start, fresh, start, old.Length - start);
        _chunks[0] = fresh;
        _deadBytes = 0;
    }

    private void DropAll()
    {
        _chunks.Clear();
        _deadBytes = 0;
    }
}
