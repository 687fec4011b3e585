using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>What a restart finds.</summary>
/// <param name="Segments">In order; the last one is written next.</param>
/// <param name="LastPage">What the page that is written next holds already.</param>
/// <param name="Prepared">A further segment that is not written yet.</param>
internal sealed record RecoveredLog(
    List<LogSegment> Segments, byte[] LastPage, LogSegment? Prepared, ulong NextSequence,
    SortedDictionary<GroupId, GroupLog> Groups, byte[]? Formation, LogSegment? FormationSegment);

/// <summary>
/// Replays the log. A bad batch with no valid later one is a torn tail: cut, what follows zeroed, flushed. A valid
/// later batch means that acknowledged data is damaged: refused. Everything replayed is flushed before it is believed,
/// as after the end of a process it may be in the page cache only.
/// </summary>
internal sealed class LogRecovery(IDisk disk, StoreId store, ILogger logger, FaultPoints faults = default)
{
    private readonly uint _seed = LogFormat.Seed(store);
    private readonly SortedDictionary<ulong, LogSegment> _open = [];
    private readonly SortedDictionary<GroupId, GroupReplay> _groups = [];
    private byte[] _content = [];
    private LogSegment? _contentOf;
    private byte[]? _formation;
    private LogSegment? _formationSegment;

    /// <summary>One segment's batches, as far as they are valid.</summary>
    /// <param name="Last">The last valid batch; null if there is none.</param>
    private readonly record struct Scan(LogSegment Segment, BatchHeader? Last);

    /// <summary>Throws <see cref="CorruptionException"/> or <see cref="UnsupportedFileVersionException"/>, having
    /// changed nothing.</summary>
    public async ValueTask<RecoveredLog> RunAsync()
    {
        try
        {
            return await RecoverAsync();
        }
        catch
        {
            foreach (LogSegment segment in _open.Values) await segment.File.DisposeAsync();
            throw;
        }
    }

    private async ValueTask<RecoveredLog> RecoverAsync()
    {
        IReadOnlyList<string> names = await DataDirectory.RefuseForeignAsync(disk, DataDirectory.LogDirectory, name =>
            SegmentSupply.TryParseName(WithoutSuffix(name), out _));
        var ids = new SortedSet<ulong>();
        foreach (string name in names)
        {
            if (SegmentSupply.TryParseName(name, out ulong id)) ids.Add(id);
        }

        Scan newest = await FindNewestAsync(ids);
        BatchHeader last = newest.Last!.Value;
        for (ulong id = last.FirstSegment; id <= last.SegmentId + (last.IsSeal ? 1u : 0u); id++)
        {
            if (!ids.Contains(id))
                throw Corruption.Found(LogSegment.PathOf(id), 0, "this segment of the log is missing");
        }
        await ReplayAsync(last);
        var groups = new SortedDictionary<GroupId, GroupLog>();
        foreach ((GroupId group, GroupReplay replay) in _groups) groups[group] = replay.Complete(newest.Segment.Path);

        LogSegment head = last.IsSeal ? _open[last.SegmentId + 1] : newest.Segment;
        await MakeDurableAsync(head, last.FirstSegment);
        await RemoveLeftoversAsync(names, last.FirstSegment);
        List<LogSegment> segments = [.. _open.Values.Where(segment => segment.Id <= head.Id)];
        _open.TryGetValue(head.Id + 1, out LogSegment? prepared);
        return new RecoveredLog(
            segments, LastPageOf(head), prepared, last.Sequence + 1, groups, _formation, _formationSegment);
    }

    /// <summary>The newest segment that has a batch. At most one prepared segment comes after it.</summary>
    private async ValueTask<Scan> FindNewestAsync(SortedSet<ulong> ids)
    {
        ulong? above = null;
        int unwritten = 0;
        foreach (ulong id in ids.Reverse())
        {
            if (above is not null && id + 1 != above)
                throw Corruption.Found(LogSegment.PathOf(id + 1), 0, "this segment of the log is missing");
            Scan scan = await ScanAsync(await OpenAsync(id), expected: 0, apply: false);
            if (scan.Last is not null && unwritten <= 1) return scan;
            if (scan.Last is not null)
                throw Corruption.Found(LogSegment.PathOf(id + 1), LogFormat.SegmentHeaderBytes,
                    "no batch of this segment is readable");
            above = id;
            unwritten++;
        }
        string first = ids.Count > 0 ? LogSegment.PathOf(ids.Min) : LogSegment.PathOf(1);
        throw Corruption.Found(first, 0, ids.Count > 0 ? "no batch of the log is readable" : "the log is missing");
    }

    private async ValueTask ReplayAsync(BatchHeader newest)
    {
        ulong expected = 0;
        for (ulong id = newest.FirstSegment; id <= newest.SegmentId; id++)
        {
            if (!_open.TryGetValue(id, out LogSegment? segment)) segment = await OpenAsync(id);
            Scan scan = await ScanAsync(segment, expected, apply: true);
            if (id < newest.SegmentId && scan.Last is not { IsSeal: true })
                throw Corruption.Found(segment.Path, segment.EndBytes,
                    "the batch here is unreadable, but the next segment has later ones");
            if (scan.Last is not { } last)
                throw Corruption.Found(segment.Path, LogFormat.SegmentHeaderBytes,
                    $"its batches do not go on with {expected}, where the segment before ends");
            expected = last.Sequence + 1;
        }
    }

    private async ValueTask<LogSegment> OpenAsync(ulong id)
    {
        string path = LogSegment.PathOf(id);
        IDiskFile file = await disk.OpenAsync(path, create: false);
        var segment = new LogSegment(id, path, file, await file.GetLengthAsync());
        _open[id] = segment;
        byte[] header = new byte[LogFormat.SegmentHeaderBytes];
        int length = await file.ReadAsync(0, header);
        LogFormat.CheckSegmentHeader(path, header.AsSpan(0, length), id, store);
        return segment;
    }

    /// <param name="expected">Sequence of the first batch; 0 if not known.</param>
    private async ValueTask<Scan> ScanAsync(LogSegment segment, ulong expected, bool apply)
    {
        await LoadAsync(segment);
        int offset = LogFormat.SegmentHeaderBytes;
        BatchHeader? last = null;
        while (last is not { IsSeal: true }
            && LogFormat.TryReadBatch(Content(segment), offset, segment.Id, _seed, out BatchHeader header,
                out int bodyLength, faults)
            && (expected == 0 || header.Sequence == expected))
        {
            if (header.FirstSegment == 0 || header.FirstSegment > segment.Id)
                throw Corruption.Found(segment.Path, offset,
                    $"the batch here names segment {header.FirstSegment} as the first one that is needed");
            if (apply) Apply(Content(segment).Slice(offset + LogFormat.BatchHeaderBytes, bodyLength), segment, offset);
            last = header;
            expected = header.Sequence + 1;
            offset += LogFormat.Align(LogFormat.BatchHeaderBytes + bodyLength);
        }
        segment.EndBytes = offset;
        RefuseLaterBatch(segment, offset, expected);
        return new Scan(segment, last);
    }

    private void RefuseLaterBatch(LogSegment segment, int bad, ulong expected)
    {
        ReadOnlySpan<byte> content = Content(segment);
        for (int offset = bad; offset < content.Length;)
        {
            int found = content[offset..].IndexOf(LogFormat.BatchMagic);
            if (found < 0) return;
            offset += found;
            if (offset % 8 == 0
                && LogFormat.TryReadBatch(content, offset, segment.Id, _seed, out BatchHeader later, out _, faults)
                && later.Sequence >= expected)
            {
                throw Corruption.Found(segment.Path, bad,
                    $"the batch here is unreadable, but batch {later.Sequence} at {offset} was written after it");
            }
            offset++;
        }
    }

    private void Apply(ReadOnlySpan<byte> body, LogSegment segment, int offset)
    {
        var reader = new RecordReader(body, segment.Path, offset);
        while (!reader.AtEnd)
        {
            RecordKind kind = reader.ReadKind();
            switch (kind)
            {
                case RecordKind.Meta:
                    GroupId group = reader.ReadGroup();
                    GroupMeta meta = reader.ReadMeta(group, out SnapshotEffect effect);
                    Replay(group).SetMeta(meta, effect, segment);
                    break;
                case RecordKind.Entries or RecordKind.Carried:
                    ApplyEntries(ref reader, segment, truncates: kind == RecordKind.Entries);
                    break;
                case RecordKind.Formation:
                    _formation = reader.ReadBytes();
                    _formationSegment = segment;
                    break;
                default:
                    throw reader.Malformed($"record kind {(byte)kind} is unknown");
            }
        }
    }

    private void ApplyEntries(ref RecordReader reader, LogSegment segment, bool truncates)
    {
        GroupReplay replay = Replay(reader.ReadGroup());
        ulong first = reader.ReadNumber();
        int count = reader.ReadCount();
        if (first == 0) throw reader.Malformed("an entry has index 0");
        if (truncates) replay.TruncateFrom(first);
        for (int i = 0; i < count; i++) replay.Add(reader.ReadEntry(new LogIndex(first + (ulong)i)), segment);
    }

    private GroupReplay Replay(GroupId group)
    {
        if (!_groups.TryGetValue(group, out GroupReplay? replay)) _groups[group] = replay = new GroupReplay(group);
        return replay;
    }

    private const int RewriteBytes = 1 << 20;

    /// <summary>Cuts the tail of the head and flushes all that was replayed.</summary>
    private async ValueTask MakeDurableAsync(LogSegment head, ulong firstSegment)
    {
        await LoadAsync(head);
        int end = (int)Math.Min(head.EndBytes, head.LengthBytes);
        int first = end + Math.Max(0, Content(head)[end..].IndexOfAnyExcept((byte)0));
        int last = end + Content(head)[end..].LastIndexOfAnyExcept((byte)0);
        if (faults.Has(FaultPoint.TornTailKept))
        {
            head.EndBytes = LogFormat.Align(last + 1);
        }
        else if (last >= first)
        {
            // What an older use of a recycled file left there is no torn batch; it is zeroed all the same.
            if (LogFormat.LooksLikeBatch(Content(head)[end..], head.Id)) logger.TornTailCut(head.Path, end);
            byte[] zeros = new byte[Math.Min(1 << 20, last - first + 1)];
            for (int offset = first; offset <= last; offset += zeros.Length)
                await head.File.WriteAsync(offset, zeros.AsMemory(0, Math.Min(zeros.Length, last - offset + 1)));
        }
        if (faults.Has(FaultPoint.RecoveredNotFlushed)) return;
        // A flush that failed in an earlier life may have left the last batch readable but clean in the page cache,
        // where another flush would not write it: so it is written again. Batches are flushed one by one, so only the
        // head can be in doubt.
        for (int offset = 0; offset < end; offset += RewriteBytes)
            await head.File.WriteAsync(offset, _content.AsMemory(offset, Math.Min(RewriteBytes, end - offset)));
        foreach (LogSegment segment in _open.Values.Where(segment => segment.Id >= firstSegment))
            await segment.File.FlushAsync();
        await disk.FlushDirectoryAsync(DataDirectory.LogDirectory);
    }

    /// <summary>A file that was cut short may end before its last batch's padding does.</summary>
    private byte[] LastPageOf(LogSegment head)
    {
        byte[] page = new byte[head.EndBytes % LogFormat.PageBytes];
        ReadOnlySpan<byte> content = Content(head);
        int start = (int)Math.Min(head.EndBytes - page.Length, content.Length);
        content[start..(int)Math.Min(head.EndBytes, content.Length)].CopyTo(page);
        return page;
    }

    private async ValueTask RemoveLeftoversAsync(IReadOnlyList<string> names, ulong firstSegment)
    {
        foreach (string name in names)
        {
            bool isSegment = SegmentSupply.TryParseName(name, out ulong id);
            if (!isSegment || id < firstSegment) await disk.DeleteAsync($"{DataDirectory.LogDirectory}/{name}");
        }
    }

    private async ValueTask LoadAsync(LogSegment segment)
    {
        if (_contentOf == segment) return;
        if (segment.LengthBytes > Array.MaxLength)
            throw Corruption.Found(segment.Path, 0, "the file is larger than any segment");
        if (_content.Length < segment.LengthBytes)
            _content = GC.AllocateUninitializedArray<byte>((int)segment.LengthBytes);
        int length = await segment.File.ReadAsync(0, _content.AsMemory(0, (int)segment.LengthBytes));
        if (length != segment.LengthBytes)
            throw Corruption.Found(segment.Path, length, "the file ends before its length");
        _contentOf = segment;
    }

    private ReadOnlySpan<byte> Content(LogSegment segment)
    {
        Invariant.Require(_contentOf == segment, "another segment is loaded");
        return _content.AsSpan(0, (int)segment.LengthBytes);
    }

    private static string WithoutSuffix(string name) =>
        name.EndsWith(DataDirectory.TemporarySuffix, StringComparison.Ordinal)
        ? name[..^DataDirectory.TemporarySuffix.Length]
        : name;
}
