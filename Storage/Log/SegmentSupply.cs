using System.Globalization;
using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>
/// Makes the next segment before it is needed, from a released one or zero-filled, and disposes of released ones.
/// Called on the log's turn; its own file work goes on beside it.
/// </summary>
internal sealed class SegmentSupply(IDisk disk, StoreId store, int segmentBytes, ActivityGate gate)
{
    private const int FillBytes = 1 << 20;

    private Task<LogSegment>? _prepared;
    private readonly Stack<LogSegment> _spare = [];
    private Task _deleting = Task.CompletedTask;
    private long _deletingBytes;

    /// <summary>Size of the files that are kept to be made into segments.</summary>
    public long SpareBytes => (long)_spare.Count * segmentBytes;

    /// <summary>Size of the files that are ahead of the log: kept, ready or being made.</summary>
    public long AheadBytes => SpareBytes + _prepared switch
    {
        null => 0,
        { IsCompletedSuccessfully: true } => _prepared.Result.LengthBytes,
        _ => segmentBytes,
    };

    /// <summary>Size of the files that are being deleted.</summary>
    public long DeletingBytes => Interlocked.Read(ref _deletingBytes);

    /// <summary>Why work in the background failed for good; null if it did not.</summary>
    public Exception? Failure => (LacksRoom ? null : _prepared?.Exception?.InnerException) ?? _deleting.Exception?.InnerException;

    /// <summary>The disk had no room for the next segment. There may be some by the time the log needs it: a snapshot that is
    /// given up, too, takes room only for a while.</summary>
    private bool LacksRoom => _prepared?.Exception?.InnerException is DiskException { Failure: DiskFailure.Full };

    /// <summary>Makes the first segment of a new store, with a first batch.</summary>
    public static async ValueTask CreateFirstAsync(IDisk disk, StoreId store, int segmentBytes)
    {
        LogSegment segment = await MakeAsync(disk, store, segmentBytes, 1, null, new ActivityGate());
        await using IDiskFile file = segment.File;
        var batch = new LogBuffer(LogFormat.Seed(store));
        batch.Follow(LogFormat.SegmentHeader(segment.Id, store));
        batch.Begin();
        await file.WriteAndFlushAsync(0,
            batch.Seal(new BatchHeader(segment.Id, 1, segment.Id, IsSeal: false), segment.LengthBytes));
    }

    /// <summary>Whether more than its creation ever reached a segment.</summary>
    public static async ValueTask<bool> IsInUseAsync(IDisk disk, ulong id)
    {
        string path = LogSegment.PathOf(id);
        IReadOnlyList<string> names = await disk.ListAsync(DataDirectory.LogDirectory);
        if (!names.Contains(Path.GetFileName(path))) return false;
        await using IDiskFile file = await disk.OpenAsync(path, create: false);
        byte[] content = new byte[await file.GetLengthAsync()];
        await file.ReadAsync(0, content);
        int used = LogFormat.SegmentHeaderBytes + LogFormat.BatchHeaderBytes;
        return content.Length > used && content.AsSpan(used).ContainsAnyExcept((byte)0);
    }

    /// <summary>The id in a segment's file name; false if it is not one.</summary>
    public static bool TryParseName(string name, out ulong id)
    {
        id = 0;
        return name.EndsWith(".log", StringComparison.Ordinal)
            && ulong.TryParse(name.AsSpan(0, name.Length - 4), NumberStyles.None, CultureInfo.InvariantCulture, out id)
            && id > 0 && Path.GetFileName(LogSegment.PathOf(id)) == name;
    }

    /// <summary>Takes over a segment that an earlier life prepared.</summary>
    public void Adopt(LogSegment prepared) => _prepared = Task.FromResult(prepared);

    public void PrepareAhead(ulong id)
    {
        if (_prepared is not null) return;
        _spare.TryPop(out LogSegment? spare);
        _prepared = PrepareAsync(id, spare);
    }

    /// <summary>Completes when that segment can be taken.</summary>
    public async ValueTask ReadyAsync(ulong id)
    {
        if (LacksRoom) _prepared = null;
        PrepareAhead(id);
        LogSegment segment = await _prepared!;
        Invariant.Require(segment.Id == id, $"segment {segment.Id} was prepared, {id} is needed");
    }

    /// <summary>Hands over the segment that <see cref="ReadyAsync"/> waited for.</summary>
    public LogSegment Take()
    {
        LogSegment segment = _prepared!.Result;
        _prepared = null;
        return segment;
    }

    /// <summary>Disposes of a segment that nothing needs any more.</summary>
    /// <param name="mayKeep">Whether there is room to keep it, so that the next segment need not be filled with zeros.</param>
    public void Release(LogSegment segment, bool mayKeep)
    {
        if (mayKeep && segment.LengthBytes == segmentBytes) _spare.Push(segment);
        else Delete(segment);
    }

    /// <summary>Gives up a segment that <see cref="Release"/> kept; false if there is none.</summary>
    public bool DropSpare()
    {
        if (!_spare.TryPop(out LogSegment? spare)) return false;
        Delete(spare);
        return true;
    }

    /// <summary>Waits for deletions and preparations under way.</summary>
    public async Task SettleAsync()
    {
        await _deleting;
        try
        {
            if (_prepared is { } preparing) await preparing;
        }
        catch (DiskException) when (LacksRoom)
        {
            // Tried again when the log needs it; only then it matters.
        }
    }

    /// <summary>Closes what is open here; nothing is under way any more.</summary>
    public async ValueTask CloseFilesAsync()
    {
        if (_prepared is { IsCompletedSuccessfully: true }) await _prepared.Result.File.DisposeAsync();
        foreach (LogSegment spare in _spare) await spare.File.DisposeAsync();
    }

    private async Task<LogSegment> PrepareAsync(ulong id, LogSegment? spare)
    {
        gate.Enter();
        try
        {
            return await MakeAsync(disk, store, segmentBytes, id, spare, gate);
        }
        finally
        {
            gate.Exit();
        }
    }

    private void Delete(LogSegment segment)
    {
        Interlocked.Add(ref _deletingBytes, segment.LengthBytes);
        _deleting = DeleteAsync(_deleting, segment);
    }

    private async Task DeleteAsync(Task before, LogSegment segment)
    {
        gate.Enter();
        try
        {
            await before;
            await segment.File.DisposeAsync();
            gate.ThrowIfClosed();
            await disk.DeleteAsync(segment.Path);
            Interlocked.Add(ref _deletingBytes, -segment.LengthBytes);
        }
        finally
        {
            gate.Exit();
        }
    }

    private static async ValueTask<LogSegment> MakeAsync(
        IDisk disk, StoreId store, int segmentBytes, ulong id, LogSegment? spare, ActivityGate gate)
    {
        string path = LogSegment.PathOf(id);
        string temporary = path + DataDirectory.TemporarySuffix;
        if (spare is not null)
        {
            await spare.File.DisposeAsync();
            gate.ThrowIfClosed();
            await disk.RenameAsync(spare.Path, temporary);
            gate.ThrowIfClosed();
        }
        try
        {
            await using IDiskFile making = await disk.OpenAsync(temporary, create: spare is null);
            gate.ThrowIfClosed();
            if (spare is null) await FillAsync(making, segmentBytes, gate);
            await making.WriteAndFlushAsync(0, LogFormat.SegmentHeader(id, store));
            gate.ThrowIfClosed();
        }
        catch (DiskException e) when (e.Failure == DiskFailure.Full)
        {
            // What was filled must not take from others the room that is missing.
            await disk.DeleteAsync(temporary);
            throw;
        }
        await disk.RenameAsync(temporary, path);
        gate.ThrowIfClosed();
        await disk.FlushDirectoryAsync(DataDirectory.LogDirectory);
        gate.ThrowIfClosed();
        return new LogSegment(id, path, await disk.OpenAsync(path, create: false), segmentBytes);
    }

    private static async ValueTask FillAsync(IDiskFile file, int length, ActivityGate gate)
    {
        byte[] zeros = new byte[Math.Min(length, FillBytes)];
        for (int offset = 0; offset < length; offset += zeros.Length)
        {
            await file.WriteAsync(offset, zeros.AsMemory(0, Math.Min(zeros.Length, length - offset)));
            gate.ThrowIfClosed();
        }
    }
}
